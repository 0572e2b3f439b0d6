package transport

// Tap sees the messages that go over a link.
type Tap interface {
	// Topic adds a topic of a message's type (its zero value); what it returns is called with every message, by pointer,
	// on the goroutine that says or hears it. It must neither wait nor change the message.
	Topic(name string, zero any, latched bool) func(message any)
}

// Tapped is a link whose topics a tap sees: what is said on those advertised over it, and what is heard on those
// subscribed to. What SubscribeEach hears, services and actions are not seen. A nil tap sees nothing.
func Tapped(l Link, t Tap) Link {
	if t == nil {
		return l
	}
	return tapped{l, t}
}

type tapped struct {
	Link
	tap Tap
}

// bare is the link below a tap.
func bare(l Link) Link {
	if t, is := l.(tapped); is {
		return t.Link
	}
	return l
}

// see is what a link's tap is told with; nil when it has none.
func see[M any](l Link, name string, k Kind) func(any) {
	t, is := l.(tapped)
	if !is {
		return nil
	}
	if abs, err := l.Names().Resolve(name); err == nil {
		name = abs
	}
	var zero M
	return t.tap.Topic(name, zero, k == Latched)
}

// seen tells a tap what is published.
type seen[M any] struct {
	Publisher[M]
	see func(any)
}

func (p seen[M]) Write(m *M) {
	p.Publisher.Write(m)
	p.see(m)
}

// watched makes a publisher whose messages the link's tap sees.
func watched[M any](l Link, name string, k Kind, p Publisher[M], err error) (Publisher[M], error) {
	if err != nil {
		return nil, err
	}
	if f := see[M](l, name, k); f != nil {
		return seen[M]{p, f}, nil
	}
	return p, nil
}

// listened makes a callback whose messages the link's tap sees, after the callback has stored them.
func listened[M any](l Link, name string, k Kind, fn func(*M)) func(*M) {
	f := see[M](l, name, k)
	if f == nil {
		return fn
	}
	return func(m *M) {
		fn(m)
		f(m)
	}
}
