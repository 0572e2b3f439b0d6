package xmlrpc

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client calls methods of one server. It opens a connection per call, so that nothing lingers.
type Client struct {
	url  string
	http *http.Client
}

// NewClient returns a client of the server at url ("http://127.0.0.1:11311"); a call takes at most timeout.
func NewClient(url string, timeout time.Duration) *Client {
	return &Client{url: url, http: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
}

// Call invokes a method and returns its value. A *Fault is the server's own error; anything else means that the
// server could not be reached or does not speak XML-RPC.
func (c *Client) Call(ctx context.Context, method string, params ...any) (any, error) {
	body, err := EncodeCall(method, params...)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/xml")
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, res.Body, 1<<16)
		return nil, fmt.Errorf("%s: HTTP status %s", method, res.Status)
	}
	v, err := DecodeResponse(res.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return v, nil
}

// ROSError is a ROS API reply whose code is not 1 (success): -1 the caller's mistake, 0 the server's.
type ROSError struct {
	Method  string
	Code    int
	Message string
}

// Error implements error.
func (e *ROSError) Error() string { return fmt.Sprintf("%s: code %d: %s", e.Method, e.Code, e.Message) }

// CallROS invokes a method of the ROS APIs, whose value is [code, message, result], and returns message and result. A
// code other than 1 is a *ROSError.
func (c *Client) CallROS(ctx context.Context, method string, params ...any) (message string, result any, err error) {
	v, err := c.Call(ctx, method, params...)
	if err != nil {
		return "", nil, err
	}
	triple, ok := v.([]any)
	if !ok || len(triple) != 3 {
		return "", nil, fmt.Errorf("%s: %w: the reply is not [code, message, value]", method, ErrMalformed)
	}
	code, okC := triple[0].(int)
	message, okM := triple[1].(string)
	if !okC || !okM {
		return "", nil, fmt.Errorf("%s: %w: the reply is not [int, string, value]", method, ErrMalformed)
	}
	if code != 1 {
		return message, triple[2], &ROSError{Method: method, Code: code, Message: message}
	}
	return message, triple[2], nil
}
