package ros2

import (
	"fmt"
	"sync"
	"time"

	"korr/ros/ros2/dds"
	"korr/ros/rosidl"
)

// Publisher publishes messages of type M on one topic.
type Publisher[M any] struct {
	node  *Node
	topic string
	w     *dds.Writer

	mu      sync.Mutex
	buf     []byte
	written chan struct{} // of commands: told of every one; nil = nobody wants to know
}

// AckLimit is how long a command may stay without an answer of a reliable reader's middleware; after that the reader
// counts as gone. A control period at 10 Hz and this are less than three periods.
const AckLimit = 180 * time.Millisecond

// listeners counts who listens to a topic. A reader that was killed stays matched until its lease ends (10 s and more);
// what tells at once is that it acknowledges nothing.
type listeners struct {
	topic string
	tell  func(topic string, n int) // may be nil

	mu      sync.Mutex
	matched int
	deaf    bool // the newest command was not acknowledged
	told    int
}

func (l *listeners) update(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	now := l.matched
	if l.deaf {
		now = 0
	}
	if l.tell != nil && now != l.told {
		l.tell(l.topic, now)
	}
	l.told = now
}

// watchAcks waits for the answer to every command until the node is closed.
func (n *Node) watchAcks(w *dds.Writer, l *listeners, written <-chan struct{}) {
	for {
		select {
		case <-n.done:
			return
		case <-written:
		}
		for deaf := false; !w.Acked(AckLimit); deaf = true {
			if n.Err() != nil {
				return
			}
			if !deaf {
				n.log.Warn("a command is not acknowledged: who listened does so no more", "topic", l.topic, "after", AckLimit)
				l.update(func() { l.deaf = true })
			}
		}
		l.update(func() { l.deaf = false })
	}
}

// Advertise makes a publisher on the topic of a name (relative, ~private or absolute).
func Advertise[M any](n *Node, name string, p Profile) (*Publisher[M], error) {
	idl, err := rosidl.For[M]()
	if err != nil {
		return nil, err
	}
	return advertise[M](n, name, p, idl)
}

func advertise[M any](n *Node, name string, p Profile, idl *rosidl.Type) (*Publisher[M], error) {
	topic, err := n.resolve(name)
	if err != nil {
		return nil, err
	}
	out := &Publisher[M]{node: n, topic: topic}
	l := &listeners{topic: topic, tell: n.cfg.OnListeners}
	if out.w, err = n.part.NewWriter("rt"+topic, idl.DDS(), p.writer(), hashOf(idl.Hash()), func(s dds.Status) {
		n.policy(topic, &s)
		l.update(func() { l.matched = s.Matched })
	}); err != nil {
		return nil, fmt.Errorf("advertise %s: %w", topic, err)
	}
	if p == Command && l.tell != nil {
		out.written = make(chan struct{}, 1)
		n.tasks.Go(func() { n.watchAcks(out.w, l, out.written) })
	}
	n.graph.mine(out.w.GUID(), true)
	return out, nil
}

// Topic is the resolved name.
func (p *Publisher[M]) Topic() string { return p.topic }

// Write serialises a message and hands it to DDS; it may be changed afterwards. It does not wait for readers unless one
// that is reliable lags behind, and then at most 100 ms.
func (p *Publisher[M]) Write(m *M) {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, err := rosidl.Append(p.buf[:0], m)
	if err == nil {
		p.buf = b
		err = p.w.Write(b)
	}
	select {
	case p.written <- struct{}{}:
	default: // nobody wants to know, or is told already
	}
	if err != nil && p.node.Err() == nil {
		p.node.log.Error("a message was not published", "topic", p.topic, "err", err)
	}
}

// policy tells of a policy by which an endpoint did not match, or that all is well again.
func (n *Node) policy(topic string, s *dds.Status) {
	if n.cfg.OnPolicy == nil {
		return
	}
	if s.Matched > 0 {
		n.cfg.OnPolicy(topic, "")
	} else if s.Incompatible != "" {
		n.cfg.OnPolicy(topic, s.Incompatible)
	}
}

// Subscribe calls fn for every message on the topic of a name, one at a time, on the node's goroutine. fn must not
// block. A message that is none of its type is dropped, and said so.
func Subscribe[M any](n *Node, name string, p Profile, fn func(*M)) error {
	return subscribe(n, name, p, func(m *M, _ *dds.Sample) { fn(m) })
}

func subscribe[M any](n *Node, name string, p Profile, fn func(*M, *dds.Sample)) error {
	idl, err := rosidl.For[M]()
	if err != nil {
		return err
	}
	return subscribeAs(n, name, p, idl, fn)
}

func subscribeAs[M any](n *Node, name string, p Profile, idl *rosidl.Type, fn func(*M, *dds.Sample)) error {
	topic, err := n.resolve(name)
	if err != nil {
		return err
	}
	said := func(s *dds.Sample) {
		m := new(M)
		if err := rosidl.Unmarshal(s.Data, m); err != nil {
			n.log.Warn("a message is malformed", "topic", topic, "err", err)
			return
		}
		fn(m, s)
	}
	qualities := p.readers()
	for i, q := range qualities {
		var status func(dds.Status)
		if i == len(qualities)-1 { // the one that matches everybody
			before := 0
			status = func(s dds.Status) {
				n.policy(topic, &s)
				if f := n.cfg.OnPublisherLost; f != nil && s.Matched < before {
					f(topic)
				}
				before = s.Matched
			}
		}
		r, err := n.part.NewReader("rt"+topic, idl.DDS(), q, hashOf(idl.Hash()), said, status)
		if err != nil {
			return fmt.Errorf("subscribe to %s: %w", topic, err)
		}
		n.graph.mine(r.GUID(), false)
	}
	return nil
}

// SubscribeEach calls said for every message with the name of the writer that sent it, and gone when a writer has left.
// It is meant for few, small messages: buttons.
func SubscribeEach[M any](n *Node, name string, said func(publisher string, m *M), gone func(publisher string)) error {
	topic, err := n.resolve(name)
	if err != nil {
		return err
	}
	n.graph.onGone(topic, func(g dds.GUID) { gone(g.String()) })
	return subscribe(n, name, Button, func(m *M, s *dds.Sample) { said(s.Sender.String(), m) })
}

// WatchPublishers calls fn with the nodes that publish the topic of a name, sorted, now and whenever they have changed;
// this node is called by its own name. It runs on the node's goroutine and must not block.
func WatchPublishers(n *Node, name string, fn func(nodes []string)) error {
	topic, err := n.resolve(name)
	if err != nil {
		return err
	}
	n.graph.watch(topic, fn)
	return nil
}
