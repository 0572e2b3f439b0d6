package rosbridge

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"

	"korr/ros/node"
)

func statusLevel(level string) slog.Level {
	switch level {
	case "error":
		return slog.LevelError
	case "warning":
		return slog.LevelWarn
	default:
		return slog.LevelDebug
	}
}

// typeName writes a ROS type as the version does: pkg/Type, or pkg/msg/Type with the kind "msg" or "srv".
func (v Version) typeName(name, kind string) string {
	if v == ROS1 {
		return name
	}
	pkg, t, _ := strings.Cut(name, "/")
	return pkg + "/" + kind + "/" + t
}

// messageType is the ROS type of M.
func messageType[M any](v Version) (string, error) {
	var zero M
	name, _, err := node.Signature(zero)
	return v.typeName(name, "msg"), err
}

// Publisher publishes messages of type M on one topic.
type Publisher[M any] struct {
	client *Client
	topic  string
	latch  bool
	last   atomic.Pointer[[]byte] // of a latched topic
}

// Advertise makes a publisher on the topic of a name (relative, ~private or absolute). A latched topic's last message
// is sent again on every new connection.
func Advertise[M any](c *Client, name string, latch bool) (*Publisher[M], error) {
	topic, err := c.cfg.Names.Resolve(name)
	if err != nil {
		return nil, err
	}
	kind, err := messageType[M](c.cfg.Version)
	if err != nil {
		return nil, fmt.Errorf("advertise %s: %w", topic, err)
	}
	p := &Publisher[M]{client: c, topic: topic, latch: latch}
	c.register(func() []byte {
		return (&envelope{Op: "advertise", ID: "advertise:" + topic, Topic: topic, Type: kind, Latch: latch}).encode()
	})
	if latch {
		c.register(func() []byte {
			if last := p.last.Load(); last != nil {
				return *last
			}
			return nil
		})
	}
	return p, nil
}

// Topic is the resolved name.
func (p *Publisher[M]) Topic() string { return p.topic }

// Write hands a message over; it is serialised here, so m may be changed afterwards. While the connection is lost,
// nothing is sent.
func (p *Publisher[M]) Write(m *M) {
	body, err := Marshal(m, p.client.cfg.Version)
	if err != nil {
		p.client.log.Error("a message cannot be written as JSON", "topic", p.topic, "err", err)
		return
	}
	data := (&envelope{Op: "publish", Topic: p.topic, Msg: body}).encode()
	if p.latch {
		p.last.Store(&data)
	}
	_ = p.client.send(data) // ErrLost: the owner was told through OnUp
}

// Subscribe calls fn for every message on the topic of a name, in order, one at a time, on the connection's goroutine.
// fn must not block.
func Subscribe[M any](c *Client, name string, fn func(*M)) error {
	topic, err := c.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	kind, err := messageType[M](c.cfg.Version)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	c.mu.Lock()
	if c.handlers[topic] != nil {
		c.mu.Unlock()
		return fmt.Errorf("subscribe to %s: already subscribed", topic)
	}
	c.handlers[topic] = func(raw json.RawMessage) error {
		m := new(M)
		if err := Unmarshal(raw, m); err != nil {
			return fmt.Errorf("%s: %w", topic, err)
		}
		fn(m)
		return nil
	}
	c.mu.Unlock()
	c.register(func() []byte {
		return (&envelope{Op: "subscribe", ID: "subscribe:" + topic, Topic: topic, Type: kind}).encode()
	})
	return nil
}

// Serve answers the service of a name, for as long as the server forwards calls (rosbridge's advertise_service). S is
// the service type with its request Q and response R; fn returns false to report a failure. Calls may come at once, at
// most four; more are refused.
func Serve[S, Q, R any](c *Client, name string, fn func(*Q) (*R, bool)) error {
	service, err := c.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	var zero S
	kind, _, err := node.ServiceSignature(zero)
	if err != nil {
		return fmt.Errorf("serve %s: %w", service, err)
	}
	kind = c.cfg.Version.typeName(kind, "srv")
	c.mu.Lock()
	c.services[service] = func(args json.RawMessage) (json.RawMessage, bool) {
		if len(args) == 0 {
			args = json.RawMessage("{}")
		}
		q := new(Q)
		if err := Unmarshal(args, q); err != nil {
			c.log.Warn("a service call is malformed", "service", service, "err", err)
			return nil, false
		}
		res, ok := fn(q)
		if !ok || res == nil {
			return nil, false
		}
		values, err := Marshal(res, c.cfg.Version)
		return values, err == nil
	}
	c.mu.Unlock()
	c.register(func() []byte {
		return (&envelope{Op: "advertise_service", Service: service, Type: kind}).encode()
	})
	return nil
}

// answer serves a call beside the reading goroutine.
func (c *Client) answer(e *envelope) error {
	c.mu.Lock()
	f := c.services[e.Service]
	c.mu.Unlock()
	respond := func(values json.RawMessage, ok bool) {
		_ = c.send((&envelope{Op: "service_response", ID: e.ID, Service: e.Service, Values: values, Result: &ok}).encode())
	}
	if f == nil {
		respond(nil, false)
		return fmt.Errorf("%w: a call of %q, which is not served", ErrMalformed, e.Service)
	}
	select {
	case c.busy <- struct{}{}:
	default:
		respond(nil, false)
		return fmt.Errorf("a call of %s was refused: %d others are being served", e.Service, cap(c.busy))
	}
	c.calls.Go(func() {
		defer func() { <-c.busy }()
		respond(f(e.Args))
	})
	return nil
}

// Call calls the service of a name. S is the service type with its request Q and response R.
func Call[S, Q, R any](ctx context.Context, c *Client, name string, req *Q) (*R, error) {
	service, err := c.cfg.Names.Resolve(name)
	if err != nil {
		return nil, err
	}
	var zero S
	kind, _, err := node.ServiceSignature(zero)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", service, err)
	}
	args, err := Marshal(req, c.cfg.Version)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", service, err)
	}
	c.mu.Lock()
	c.nextID++
	id, ch := "call:"+service+":"+strconv.FormatUint(c.nextID, 10), make(chan answer, 1)
	c.pending[id] = ch
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.pending, id)
		c.mu.Unlock()
	}()
	if err := c.send((&envelope{
		Op: "call_service", ID: id, Service: service, Type: c.cfg.Version.typeName(kind, "srv"),
		Args: args,
	}).encode()); err != nil {
		return nil, fmt.Errorf("call %s: %w", service, err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	select {
	case a, ok := <-ch:
		if !ok {
			return nil, fmt.Errorf("call %s: %w", service, ErrLost)
		}
		if !a.ok {
			return nil, fmt.Errorf("call %s: the service failed: %s", service, a.values)
		}
		res := new(R)
		if err := Unmarshal(a.values, res); err != nil {
			return nil, fmt.Errorf("call %s: %w", service, err)
		}
		return res, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: %w", service, ctx.Err())
	}
}
