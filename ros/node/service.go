package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/bluenviron/goroslib/v2"
)

// provider is a service and its body.
type provider[S, Q, R any] struct {
	name string
	fn   func(*Q) (*R, bool)
	prov *goroslib.ServiceProvider
}

// Serve answers the service of a name. S is the service type with its request Q and response R; fn returns false to
// report a failure. Calls come one at a time.
func Serve[S, Q, R any](n *Node, name string, fn func(*Q) (*R, bool)) error {
	abs, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	return n.add(&provider[S, Q, R]{name: abs, fn: fn}, "serve "+abs)
}

func (p *provider[S, Q, R]) attach(n *goroslib.Node) (err error) {
	p.prov, err = goroslib.NewServiceProvider(goroslib.ServiceProviderConf{
		Node: n, Name: p.name, Srv: new(S),
		Callback: p.fn,
	})
	return err
}

func (p *provider[S, Q, R]) detach() {
	if p.prov != nil {
		p.prov.Close()
		p.prov = nil
	}
}

// Client calls one service, one call at a time.
type Client[S, Q, R any] struct {
	name   string
	node   *Node
	busy   chan struct{} // holds a token during a call, also during one that nobody waits for any more
	client *goroslib.ServiceClient
}

// NewClient returns a client of the service of a name; the provider is looked up at the first call.
func NewClient[S, Q, R any](n *Node, name string) (*Client[S, Q, R], error) {
	abs, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return nil, err
	}
	c := &Client[S, Q, R]{name: abs, node: n, busy: make(chan struct{}, 1)}
	return c, n.add(c, "call "+abs)
}

func (c *Client[S, Q, R]) attach(n *goroslib.Node) (err error) {
	c.busy <- struct{}{}
	defer func() { <-c.busy }()
	c.client, err = goroslib.NewServiceClient(goroslib.ServiceClientConf{Node: n, Name: c.name, Srv: new(S)})
	return err
}

func (c *Client[S, Q, R]) detach() {
	c.busy <- struct{}{}
	defer func() { <-c.busy }()
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
}

// Call sends a request and waits for the response, at most for the node's Timeout.
//
// goroslib is never given a context that ends: when one ends right after a call that failed, its ServiceClient closes a
// connection that is nil, and the process panics. Its calls end by its read and write timeouts, which are the node's.
func (c *Client[S, Q, R]) Call(ctx context.Context, req *Q) (*R, error) {
	ctx, cancel := context.WithTimeout(ctx, c.node.cfg.Timeout)
	defer cancel()
	select {
	case c.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: another call is under way: %w", c.name, ctx.Err())
	}
	if c.client == nil {
		<-c.busy
		return nil, fmt.Errorf("call %s: %w", c.name, errors.Join(errors.New("not connected to a master"), c.node.Err()))
	}
	client, q, res, ended := c.client, *req, new(R), make(chan error, 1)
	go func() {
		err := client.CallContext(context.Background(), &q, res)
		<-c.busy
		ended <- err
	}()
	select {
	case err := <-ended:
		if err != nil {
			return nil, fmt.Errorf("call %s: %w", c.name, err)
		}
		return res, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: %w", c.name, ctx.Err())
	}
}
