package robot

import (
	"context"

	"korr/ros/names"
	"korr/ros/rosbridge"
	"korr/ros/transport"
)

// Link and what follows let tests talk over every link.
type Link = link

func OpenLink(ctx context.Context, url string, n *names.Names) (Link, error) {
	return transport.Open(ctx, transport.Config{Names: n, URL: url})
}

func Advertise[M any](l Link, name string) (interface{ Write(*M) }, error) {
	return transport.Advertise[M](l, name, transport.State)
}

func Subscribe[M any](l Link, name string, fn func(*M)) error {
	return transport.Subscribe(l, name, transport.Report, fn)
}

func Call[S, Q, R any](ctx context.Context, l Link, name string, q *Q) (*R, error) {
	if bridge, ok := l.(*rosbridge.Client); ok {
		return rosbridge.Call[S, Q, R](ctx, bridge, name, q)
	}
	c, err := transport.NewClient[S, Q, R](l, name)
	if err != nil {
		return nil, err
	}
	return c.Call(ctx, q)
}

// Reordered is how many messages were dropped because a newer one was there.
func (r *Robot) Reordered() uint64 { return r.reordered.Load() }
