package rosbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// envelope is any operation of the protocol; msg is a message or, of a status, a text.
type envelope struct {
	Op      string          `json:"op"`
	ID      string          `json:"id,omitempty"`
	Topic   string          `json:"topic,omitempty"`
	Service string          `json:"service,omitempty"`
	Type    string          `json:"type,omitempty"`
	Msg     json.RawMessage `json:"msg,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
	Values  json.RawMessage `json:"values,omitempty"`
	Result  *bool           `json:"result,omitempty"`
	Level   string          `json:"level,omitempty"`
	Latch   bool            `json:"latch,omitempty"`
}

// encode is for envelopes that this package made: they cannot fail.
func (e *envelope) encode() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return b
}

// session is one connection.
type session struct {
	client *Client
	ws     *websocket.Conn
	ctx    context.Context
	cancel context.CancelFunc
	out    chan []byte
}

func newSession(ctx context.Context, c *Client, ws *websocket.Conn) *session {
	s := &session{client: c, ws: ws, out: make(chan []byte, queueLength)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// serve reads and writes until the connection ends, and says why.
func (s *session) serve() error {
	var wg sync.WaitGroup
	var reading, writing error
	wg.Go(func() {
		defer s.cancel()
		writing = s.write()
	})
	wg.Go(func() { // a read ends only with the connection
		<-s.ctx.Done()
		_ = s.ws.Close()
	})
	reading = s.read()
	s.cancel()
	wg.Wait()
	if writing != nil {
		return writing
	}
	return reading
}

// write sends what is queued, and pings.
func (s *session) write() error {
	silence := s.client.cfg.Silence
	ping := time.NewTicker(silence / 3)
	defer ping.Stop()
	for {
		var err error
		select {
		case <-s.ctx.Done():
			deadline := time.Now().Add(100 * time.Millisecond)
			_ = s.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
				deadline)
			return nil
		case m := <-s.out:
			if err = s.ws.SetWriteDeadline(time.Now().Add(silence)); err == nil {
				err = s.ws.WriteMessage(websocket.TextMessage, m)
			}
		case <-ping.C:
			err = s.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(silence))
		}
		if err != nil {
			return err
		}
	}
}

// read handles what comes until the connection ends or falls silent.
func (s *session) read() error {
	silence := s.client.cfg.Silence
	alive := func(string) error { return s.ws.SetReadDeadline(time.Now().Add(silence)) }
	s.ws.SetReadLimit(s.client.cfg.MaxMessage)
	s.ws.SetPongHandler(alive)
	for {
		if err := alive(""); err != nil {
			return err
		}
		kind, data, err := s.ws.ReadMessage()
		if err != nil {
			return err
		}
		if kind != websocket.TextMessage {
			s.client.drop(fmt.Errorf("%w: a binary message", ErrMalformed))
			continue
		}
		if err := s.client.handle(data); err != nil {
			s.client.drop(err)
		}
	}
}

// handle acts on one message from the server.
func (c *Client) handle(data []byte) error {
	var e envelope
	if err := json.Unmarshal(withoutBare(data), &e); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch e.Op {
	case "publish":
		c.mu.Lock()
		f := c.handlers[e.Topic]
		c.mu.Unlock()
		if f == nil {
			return fmt.Errorf("%w: a message on %q, to which nobody subscribed", ErrMalformed, e.Topic)
		}
		return f(e.Msg)
	case "call_service":
		return c.answer(&e)
	case "service_response":
		c.mu.Lock()
		ch := c.pending[e.ID]
		delete(c.pending, e.ID)
		c.mu.Unlock()
		if ch == nil {
			return fmt.Errorf("%w: a response to call %q, which was not made", ErrMalformed, e.ID)
		}
		ch <- answer{e.Values, e.Result == nil || *e.Result} // capacity one
	case "status": // the log bounds how many
		c.log.Log(context.Background(), statusLevel(e.Level), "the rosbridge server says", "level", e.Level, "message",
			string(e.Msg))
	default:
		return fmt.Errorf("%w: operation %q", ErrMalformed, e.Op)
	}
	return nil
}

// drop counts a message that was not understood, and reports at most once a second.
func (c *Client) drop(err error) {
	n := c.dropped.Add(1)
	if time.Since(c.reported) < time.Second {
		return
	}
	c.log.Warn("messages of the rosbridge server were dropped", "count", n-c.last, "newest", err)
	c.reported, c.last = time.Now(), n
}
