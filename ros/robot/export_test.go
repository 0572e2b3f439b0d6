package robot

import (
	"context"

	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/rosbridge"
)

// Link and what follows let tests talk over either link.
type Link = link

func OpenLink(ctx context.Context, url string, n *names.Names) (Link, error) {
	if url == "" {
		return node.Open(ctx, node.Config{Names: n})
	}
	return rosbridge.Open(ctx, rosbridge.Config{URL: url, Names: n})
}

func Advertise[M any](l Link, name string) (interface{ Write(*M) }, error) {
	return advertise[M](l, name, false)
}

func Subscribe[M any](l Link, name string, fn func(*M)) error { return subscribe(l, name, fn) }

func Call[S, Q, R any](ctx context.Context, l Link, name string, q *Q) (*R, error) {
	if n, ok := l.(*node.Node); ok {
		c, err := node.NewClient[S, Q, R](n, name)
		if err != nil {
			return nil, err
		}
		return c.Call(ctx, q)
	}
	return rosbridge.Call[S, Q, R](ctx, l.(*rosbridge.Client), name, q)
}

// Reordered is how many messages were dropped because a newer one was there.
func (r *Robot) Reordered() uint64 { return r.reordered.Load() }
