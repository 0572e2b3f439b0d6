package view

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// viewer is one connection: serve writes, a goroutine of its own reads.
type viewer struct {
	conn     *websocket.Conn
	board    *board
	submit   func(request) error
	contacts atomic.Bool
	turned   chan struct{} // contacts changed: the newest frame is sent again
	errors   chan error    // for the viewer, dropped when it does not take them
	gone     chan struct{} // closed by read
}

// serve shows the board until the viewer or ctx ends, then closes the connection.
func (v *viewer) serve(ctx context.Context) {
	var reading sync.WaitGroup
	reading.Go(v.read)
	defer reading.Wait()
	defer v.conn.Close()
	defer v.goodbye(ctx)()
	ping := time.NewTicker(pingPeriod)
	defer ping.Stop()
	now := make(chan struct{})
	close(now)
	var at seen
	for {
		if c := v.contacts.Load(); c != at.contacts {
			at.contacts, at.frames = c, 0
		}
		news, changed := v.board.news(&at)
		for _, m := range news {
			if err := v.write(m); err != nil {
				if errors.Is(err, websocket.ErrCloseSent) { // by read, which may still have to listen
					select {
					case <-v.gone:
					case <-ctx.Done():
					}
				}
				return
			}
		}
		if len(news) > 0 { // there may be more by now, but the rest has its turn too
			changed = now
		}
		select {
		case <-changed:
		case <-v.turned:
		case err := <-v.errors:
			if v.write(message{true, errorMessage(err)}) != nil {
				return
			}
		case <-ping.C:
			if v.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(writeTimeout)) != nil {
				return
			}
		case <-v.gone:
			return
		case <-ctx.Done():
			return
		}
	}
}

// goodbye closes the connection when ctx ends, also while serve waits for a viewer that takes nothing. The function it
// returns calls that off, or waits until it is done.
func (v *viewer) goodbye(ctx context.Context) func() {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		msg := websocket.FormatCloseMessage(websocket.CloseGoingAway, "the session ended")
		_ = v.conn.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second/2))
		_ = v.conn.Close()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

func (v *viewer) write(m message) error {
	if err := v.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	kind := websocket.BinaryMessage
	if m.text {
		kind = websocket.TextMessage
	}
	return v.conn.WriteMessage(kind, m.data)
}

// read takes commands. A message that is none is answered with an error; one that is too long, or too many of them, end
// the connection.
func (v *viewer) read() {
	defer close(v.gone)
	v.conn.SetReadLimit(MaxCommand)
	alive := func(string) error { return v.conn.SetReadDeadline(time.Now().Add(pongTimeout)) }
	v.conn.SetPongHandler(alive)
	_ = alive("")
	for mistakes := 0; mistakes < maxMistakes; {
		_, msg, err := v.conn.ReadMessage()
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) {
				v.linger()
			}
			return
		}
		_ = alive("")
		c, err := DecodeCommand(msg)
		switch {
		case err != nil:
			mistakes++
		case c.Cmd == "contacts":
			v.contacts.Store(*c.On)
			select {
			case v.turned <- struct{}{}:
			default:
			}
		default:
			err = v.submit(request{c, v.refuse})
		}
		if err != nil {
			v.refuse(err)
		}
	}
}

// linger takes the rest of a message that was too long and drops it. A connection closed with bytes unread is reset,
// and the viewer would not see why.
func (v *viewer) linger() {
	if v.conn.SetReadDeadline(time.Now().Add(lingerTimeout)) == nil {
		_, _ = io.CopyN(io.Discard, v.conn.NetConn(), lingerBytes)
	}
}

// refuse tells the viewer that a command was not executed, unless it is behind with listening.
func (v *viewer) refuse(err error) {
	select {
	case v.errors <- err:
	default:
	}
}
