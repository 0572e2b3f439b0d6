package remote

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"

	"korr/basepolicy"
)

// KeyVariable names the environment variable with the key of servers that want one.
const KeyVariable = "OPENPI_API_KEY"

// link is a connection to a server. It is for one goroutine at a time.
type link struct {
	ws   *websocket.Conn
	meta map[string]any // what the server said first
	used bool           // it has answered before
}

// dial connects and reads the metadata.
func dial(a Address, patience time.Duration) (*link, error) {
	d := websocket.Dialer{HandshakeTimeout: patience, NetDial: (&net.Dialer{Timeout: patience}).Dial}
	header := http.Header{}
	if key := os.Getenv(KeyVariable); key != "" {
		header.Set("Authorization", "Api-Key "+key)
	}
	ws, answer, err := d.Dial(a.URL, header)
	if answer != nil && answer.Body != nil {
		_ = answer.Body.Close() // of the handshake; nothing is in it
	}
	if err != nil {
		return nil, a.gone(err)
	}
	ws.SetReadLimit(MaxAnswer)
	l := &link{ws: ws}
	if l.meta, err = l.read(a, time.Now().Add(patience)); err != nil {
		_ = ws.Close() // the error is on its way
		return nil, err
	}
	return l, nil
}

// ask sends a message and returns the answer to it.
func (l *link) ask(a Address, message []byte, deadline time.Time) (map[string]any, error) {
	if err := l.ws.SetWriteDeadline(deadline); err != nil {
		return nil, a.gone(err)
	}
	if err := l.ws.WriteMessage(websocket.BinaryMessage, message); err != nil {
		return nil, a.gone(err)
	}
	answer, err := l.read(a, deadline)
	l.used = l.used || err == nil
	return answer, err
}

// read returns the next dictionary.
func (l *link) read(a Address, deadline time.Time) (map[string]any, error) {
	if err := l.ws.SetReadDeadline(deadline); err != nil {
		return nil, a.gone(err)
	}
	kind, frame, err := l.ws.ReadMessage()
	if errors.Is(err, websocket.ErrReadLimit) {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrAnswer, MaxAnswer)
	}
	if err != nil {
		return nil, a.gone(err)
	}
	if kind == websocket.TextMessage {
		return nil, fmt.Errorf("%w: policy server %s reports: %.300s", ErrAnswer, a.URL, frame)
	}
	return Unmarshal(frame)
}

// gone is the error of a server that cannot be reached or takes too long.
func (a Address) gone(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fmt.Errorf("remote: policy server %s: no answer in time: %w", a.URL, errors.Join(basepolicy.ErrLate, err))
	}
	return fmt.Errorf("remote: policy server %s is gone, start it again: %w", a.URL, errors.Join(basepolicy.ErrLate, err))
}

// timedOut reports whether the server is there but slow: to ask again would not help.
func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
