package ros2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"korr/ros/ros2/dds"
	"korr/ros/rosidl"
)

// waiting is how many calls of a service may wait; more are dropped, and their callers run into their time-outs.
const waiting = 16

// caller names a call: the client's number and its sequence number, which stand before every message of a service.
type caller struct {
	client uint64
	seq    int64
}

const (
	cdrHeader  = 4
	callerSize = 16 // after the header; what follows stays aligned
)

// append serialises a message with the caller before it.
func (c caller) append(b []byte, message any) ([]byte, error) {
	body, err := rosidl.Marshal(message)
	if err != nil {
		return nil, err
	}
	b = append(b, body[:cdrHeader]...)
	b = binary.LittleEndian.AppendUint64(b, c.client)
	b = binary.LittleEndian.AppendUint64(b, uint64(c.seq))
	return append(b, body[cdrHeader:]...), nil
}

// split takes the caller off a message, which is left as plain CDR.
func split(data []byte) (c caller, message []byte, err error) {
	if len(data) < cdrHeader+callerSize || data[0] != 0 || data[1] > 1 {
		return c, nil, fmt.Errorf("%w: %d bytes name no caller", rosidl.ErrMalformed, len(data))
	}
	order := binary.ByteOrder(binary.BigEndian)
	if data[1] == 1 {
		order = binary.LittleEndian
	}
	c = caller{order.Uint64(data[cdrHeader:]), int64(order.Uint64(data[cdrHeader+8:]))}
	message = append(append(make([]byte, 0, len(data)-callerSize), data[:cdrHeader]...), data[cdrHeader+callerSize:]...)
	return c, message, nil
}

// userData is what an endpoint of a service says of itself, by which Cyclone's clients tell servers apart.
func userData(kind string, id uint64, hash string) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 8), id)
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02x", x)
	}
	return kind + "id=" + strings.Join(parts, ".") + ";" + hashOf(hash)
}

// Serve answers the service of a name. S is the service type with its request Q and response R; fn returns false to
// answer nothing, which is how ROS 2 fails. Calls come one at a time, on a goroutine of the service.
func Serve[S, Q, R any](n *Node, name string, fn func(*Q) (*R, bool)) error {
	kind, err := rosidl.ServiceFor[S, Q, R]()
	if err != nil {
		return err
	}
	return serve(n, name, kind, func(q *Q, reply func(*R)) {
		if res, ok := fn(q); ok && res != nil {
			reply(res)
		}
	})
}

// serve answers the service of a name; reply may be called later, from anywhere, once.
func serve[Q, R any](n *Node, name string, kind *rosidl.Service, fn func(q *Q, reply func(*R))) error {
	abs, err := n.resolve(name)
	if err != nil {
		return err
	}
	said := userData("service", rand.Uint64(), kind.Hash())
	w, err := n.part.NewWriter("rr"+abs+"Reply", kind.Response.DDS(), service, said, nil)
	if err != nil {
		return fmt.Errorf("serve %s: %w", abs, err)
	}
	calls := make(chan func(), waiting)
	n.tasks.Go(func() {
		for {
			select {
			case <-n.done:
				return
			case f := <-calls:
				f()
			}
		}
	})
	r, err := n.part.NewReader("rq"+abs+"Request", kind.Request.DDS(), service, said, func(s *dds.Sample) {
		c, body, err := split(s.Data)
		q := new(Q)
		if err == nil {
			err = rosidl.Unmarshal(body, q)
		}
		if err != nil {
			n.log.Warn("a service call is malformed", "service", abs, "err", err)
			return
		}
		from := s.Sender
		select {
		case calls <- func() { fn(q, func(res *R) { n.respond(w, abs, from, c, res) }) }:
		default:
			n.log.Warn("a service call was dropped: others wait", "service", abs, "waiting", waiting)
		}
	}, nil)
	if err != nil {
		return fmt.Errorf("serve %s: %w", abs, err)
	}
	n.graph.mine(w.GUID(), true)
	n.graph.mine(r.GUID(), false)
	return nil
}

// respond answers a call. Who calls knows the service, but this side may not know yet who reads the answers: then it is
// waited for, beside.
func (n *Node) respond(w *dds.Writer, service string, from dds.GUID, c caller, message any) {
	data, err := c.append(nil, message)
	if err == nil && n.Err() == nil && from != (dds.GUID{}) && !w.Reaches(from) {
		n.tasks.Go(func() { n.written(service, n.writeLater(w, from, data)) })
		return
	}
	if err == nil {
		err = w.Write(data)
	}
	n.written(service, err)
}

// written says of an answer that it could not be written.
func (n *Node) written(service string, err error) {
	if err != nil && n.Err() == nil {
		n.log.Error("a service call could not be answered", "service", service, "err", err)
	}
}

// errCallerGone means that nobody of the caller's participant reads a service's answers.
var errCallerGone = errors.New("the caller does not read answers, or is gone")

// writeLater writes an answer once its caller's participant reads answers, which it waits for at most the node's
// Timeout.
func (n *Node) writeLater(w *dds.Writer, from dds.GUID, data []byte) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(n.cfg.Timeout); !w.Reaches(from); {
		if time.Now().After(end) {
			return errCallerGone
		}
		select {
		case <-n.done:
			return ErrClosed
		case <-tick.C:
		}
	}
	return w.Write(data)
}

// Client calls one service.
type Client[Q, R any] struct {
	node *Node
	name string
	id   uint64
	w    *dds.Writer
	seq  atomic.Int64

	mu      sync.Mutex
	servers [2]int // readers of requests and writers of replies that match
	changed chan struct{}
	pending map[int64]chan *R
}

// NewClient returns a client of the service of a name.
func NewClient[S, Q, R any](n *Node, name string) (*Client[Q, R], error) {
	kind, err := rosidl.ServiceFor[S, Q, R]()
	if err != nil {
		return nil, err
	}
	return newClient[Q, R](n, name, kind)
}

func newClient[Q, R any](n *Node, name string, kind *rosidl.Service) (*Client[Q, R], error) {
	abs, err := n.resolve(name)
	if err != nil {
		return nil, err
	}
	c := &Client[Q, R]{node: n, name: abs, id: rand.Uint64(), changed: make(chan struct{}), pending: map[int64]chan *R{}}
	said := userData("client", c.id, kind.Hash())
	r, err := n.part.NewReader("rr"+abs+"Reply", kind.Response.DDS(), service, said, c.heard,
		func(s dds.Status) { c.matched(1, s.Matched) })
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", abs, err)
	}
	if c.w, err = n.part.NewWriter("rq"+abs+"Request", kind.Request.DDS(), service, said,
		func(s dds.Status) { c.matched(0, s.Matched) }); err != nil {
		return nil, fmt.Errorf("call %s: %w", abs, err)
	}
	n.graph.mine(r.GUID(), false)
	n.graph.mine(c.w.GUID(), true)
	return c, nil
}

func (c *Client[Q, R]) matched(which, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[which] = n
	close(c.changed)
	c.changed = make(chan struct{})
}

// heard takes an answer; those of others' calls come too.
func (c *Client[Q, R]) heard(s *dds.Sample) {
	from, body, err := split(s.Data)
	if err == nil && from.client != c.id {
		return
	}
	res := new(R)
	if err == nil {
		err = rosidl.Unmarshal(body, res)
	}
	if err != nil {
		c.node.log.Warn("a service's answer is malformed", "service", c.name, "err", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.pending[from.seq]; ch != nil {
		delete(c.pending, from.seq)
		ch <- res
	}
}

// ErrNoServer means that nobody serves a service, or nobody who speaks Cyclone's mapping.
var ErrNoServer = errors.New("nobody serves it (services and actions need RMW_IMPLEMENTATION=rmw_cyclonedds_cpp on " +
	"the other side)")

// server waits until somebody serves.
func (c *Client[Q, R]) server(ctx context.Context) error {
	for {
		c.mu.Lock()
		there, changed := c.servers[0] > 0 && c.servers[1] > 0, c.changed
		c.mu.Unlock()
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-c.node.done:
			return ErrClosed
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNoServer, ctx.Err())
		}
	}
}

// Call sends a request and waits for the response, at most for the node's Timeout.
func (c *Client[Q, R]) Call(ctx context.Context, req *Q) (*R, error) {
	ctx, cancel := context.WithTimeout(ctx, c.node.cfg.Timeout)
	defer cancel()
	return c.call(ctx, req)
}

func (c *Client[Q, R]) call(ctx context.Context, req *Q) (*R, error) {
	if err := c.server(ctx); err != nil {
		return nil, fmt.Errorf("call %s: %w", c.name, err)
	}
	id := caller{c.id, c.seq.Add(1)}
	data, err := id.append(nil, req)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", c.name, err)
	}
	ch := make(chan *R, 1)
	c.mu.Lock()
	c.pending[id.seq] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, id.seq)
		c.mu.Unlock()
	}()
	if err := c.w.Write(data); err != nil {
		return nil, fmt.Errorf("call %s: %w", c.name, err)
	}
	select {
	case res := <-ch:
		return res, nil
	case <-c.node.done:
		return nil, fmt.Errorf("call %s: %w", c.name, ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: no answer: %w", c.name, ctx.Err())
	}
}
