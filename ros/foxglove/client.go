package foxglove

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// protocols are the sub-protocols that are spoken; in what is used here they are the same.
var protocols = []string{"foxglove.sdk.v1", "foxglove.websocket.v1"}

// The server's opcode of a message, and its header: opcode, subscription, time.
const (
	opMessage     = 1
	messageHeader = 1 + 4 + 8
)

// Levels of a status.
const (
	levelWarning = 1
	levelError   = 2
)

// client is one connection. asked belongs to the server, with its mu held.
type client struct {
	conn  *websocket.Conn
	asked map[uint32]*channel // by the client's number of the subscription

	mu      sync.Mutex
	queue   []frame
	bytes   int
	lost    int // messages dropped since the client was last told
	stopped bool
	wake    chan struct{}
}

type frame struct {
	kind int // of websocket
	data []byte
}

func newClient(conn *websocket.Conn) *client {
	conn.SetReadLimit(maxRequest)
	return &client{conn: conn, asked: map[uint32]*channel{}, wake: make(chan struct{}, 1)}
}

// put queues a frame unless the queue is full; what must arrive is queued all the same.
func (c *client) put(f frame, must bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !must && (len(c.queue) >= queueMessages || c.bytes+len(f.data) > queueBytes) {
		c.lost++
		return
	}
	c.queue, c.bytes = append(c.queue, f), c.bytes+len(f.data)
	c.ring()
}

func (c *client) ring() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// say queues one of the protocol's JSON messages: few, and each answers a request or a new topic.
func (c *client) say(m any) {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // maps and strings
	}
	c.put(frame{websocket.TextMessage, b}, true)
}

func (c *client) status(level int, text string) {
	c.say(map[string]any{"op": "status", "level": level, "message": text})
}

// send queues a message once for every subscription. It is called with the server's mu held.
func (c *client) send(ch *channel, at time.Time, data []byte) {
	for id, asked := range c.asked {
		if asked == ch {
			c.sendTo(id, at, data)
		}
	}
}

func (c *client) sendTo(id uint32, at time.Time, data []byte) {
	b := make([]byte, 0, messageHeader+len(data))
	b = binary.LittleEndian.AppendUint32(append(b, opMessage), id)
	b = binary.LittleEndian.AppendUint64(b, uint64(at.UnixNano()))
	c.put(frame{websocket.BinaryMessage, append(b, data...)}, false)
}

func (c *client) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped, c.queue, c.bytes = true, nil, 0
	c.ring()
}

// take is what is queued, in order; ok is false at the end.
func (c *client) take() (frames []frame, lost int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frames, lost = c.queue, c.lost
	c.queue, c.bytes, c.lost = nil, 0, 0
	return frames, lost, !c.stopped
}

// write sends what is queued until the client has gone.
func (c *client) write() {
	for range c.wake {
		frames, lost, ok := c.take()
		if !ok {
			return
		}
		if lost > 0 {
			c.status(levelWarning, fmt.Sprintf("%d messages were dropped: this viewer or its network is too slow for what "+
				"it subscribed to", lost))
		}
		for _, f := range frames {
			_ = c.conn.SetWriteDeadline(time.Now().Add(writeLimit))
			if err := c.conn.WriteMessage(f.kind, f.data); err != nil {
				_ = c.conn.Close() // reading ends, which forgets the client
				return
			}
		}
	}
}

// request is what a client may say.
type request struct {
	Op            string `json:"op"`
	Subscriptions []struct {
		ID      uint32 `json:"id"`
		Channel int    `json:"channelId"`
	} `json:"subscriptions"`
	IDs []uint32 `json:"subscriptionIds"`
}

// read answers a client until it has gone.
func (s *Server) read(c *client) {
	defer s.forget(c)
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var q request
		if kind != websocket.TextMessage || json.Unmarshal(data, &q) != nil {
			c.status(levelError, "this server publishes only: subscribe and unsubscribe, as JSON")
			continue
		}
		switch q.Op {
		case "subscribe":
			for _, x := range q.Subscriptions {
				s.subscribe(c, x.ID, x.Channel)
			}
		case "unsubscribe":
			s.unsubscribe(c, q.IDs)
		default:
			c.status(levelError, fmt.Sprintf("this server publishes only: it does not know %q", q.Op))
		}
	}
}

// subscribe notes a subscription, and sends what is latched.
func (s *Server) subscribe(c *client, id uint32, number int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case number < 1 || number > len(s.channels):
		c.status(levelError, fmt.Sprintf("subscription %d: there is no channel %d", id, number))
		return
	case c.asked[id] != nil:
		c.status(levelError, fmt.Sprintf("subscription %d is there already", id))
		return
	case len(c.asked) >= maxAsked:
		c.status(levelError, fmt.Sprintf("subscription %d: a client has at most %d", id, maxAsked))
		return
	}
	ch := s.channels[number-1]
	c.asked[id] = ch
	ch.wanted.Add(1)
	if ch.last != nil {
		c.sendTo(id, ch.at, ch.last)
	}
}

func (s *Server) unsubscribe(c *client, ids []uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if ch := c.asked[id]; ch != nil {
			ch.wanted.Add(-1)
			delete(c.asked, id)
		}
	}
}

// advertise describes channels to a client.
func advertise(channels ...*channel) map[string]any {
	list := make([]map[string]any, 0, len(channels))
	for _, c := range channels {
		list = append(list, map[string]any{
			"id": c.id, "topic": c.topic, "encoding": "cdr", "schemaName": c.idl.Name, "schema": c.idl.Schema(),
			"schemaEncoding": "ros2msg",
		})
	}
	return map[string]any{"op": "advertise", "channels": list}
}
