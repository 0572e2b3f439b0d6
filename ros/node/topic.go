package node

import (
	"sync/atomic"

	"github.com/bluenviron/goroslib/v2"
)

// Publisher publishes messages of type M on one topic.
type Publisher[M any] struct {
	topic string
	latch bool
	pub   atomic.Pointer[goroslib.Publisher]
	last  atomic.Pointer[M] // of a latched topic
}

// Advertise makes a publisher on the topic of a name (relative, ~private or absolute). A latched topic gives its last
// message to every later subscriber.
func Advertise[M any](n *Node, name string, latch bool) (*Publisher[M], error) {
	topic, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return nil, err
	}
	p := &Publisher[M]{topic: topic, latch: latch}
	return p, n.add(p, "advertise "+topic)
}

func (p *Publisher[M]) attach(n *goroslib.Node) error {
	pub, err := goroslib.NewPublisher(goroslib.PublisherConf{Node: n, Topic: p.topic, Msg: new(M), Latch: p.latch})
	if err != nil {
		return err
	}
	if m := p.last.Load(); m != nil {
		pub.Write(m)
	}
	p.pub.Store(pub)
	return nil
}

func (p *Publisher[M]) detach() {
	if pub := p.pub.Swap(nil); pub != nil {
		pub.Close()
	}
}

// Topic is the resolved name.
func (p *Publisher[M]) Topic() string { return p.topic }

// Write hands a message to the subscribers' queues (64 each; a full one drops it). The message belongs to the
// publisher from here on. While the node is not connected, nothing is sent. It may wait for a new subscriber's
// handshake, so a control loop must not call it on its own goroutine.
func (p *Publisher[M]) Write(m *M) {
	if p.latch {
		p.last.Store(m)
	}
	if pub := p.pub.Load(); pub != nil {
		pub.Write(m)
	}
}

// subscription is a topic and its callback.
type subscription[M any] struct {
	topic string
	fn    func(*M)
	sub   *goroslib.Subscriber
}

// Subscribe calls fn for every message on the topic of a name, in order, one at a time. fn must not block: the next
// message waits for it.
func Subscribe[M any](n *Node, name string, fn func(*M)) error {
	topic, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	return n.add(&subscription[M]{topic: topic, fn: fn}, "subscribe to "+topic)
}

func (s *subscription[M]) attach(n *goroslib.Node) (err error) {
	s.sub, err = goroslib.NewSubscriber(goroslib.SubscriberConf{
		Node: n, Topic: s.topic, Callback: s.fn,
		EnableKeepAlive: true,
	})
	return err
}

func (s *subscription[M]) detach() {
	if s.sub != nil {
		s.sub.Close()
		s.sub = nil
	}
}
