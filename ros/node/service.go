package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	p.prov, err = goroslib.NewServiceProvider(goroslib.ServiceProviderConf{Node: n, Name: p.name, Srv: new(S), Callback: p.fn})
	return err
}

func (p *provider[S, Q, R]) detach() {
	if p.prov != nil {
		p.prov.Close()
		p.prov = nil
	}
}

// Client calls one service.
type Client[S, Q, R any] struct {
	name string
	node *Node

	mu     sync.Mutex
	client *goroslib.ServiceClient
}

// NewClient returns a client of the service of a name; the provider is looked up at the first call.
func NewClient[S, Q, R any](n *Node, name string) (*Client[S, Q, R], error) {
	abs, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return nil, err
	}
	c := &Client[S, Q, R]{name: abs, node: n}
	return c, n.add(c, "call "+abs)
}

func (c *Client[S, Q, R]) attach(n *goroslib.Node) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.client, err = goroslib.NewServiceClient(goroslib.ServiceClientConf{Node: n, Name: c.name, Srv: new(S)})
	return err
}

func (c *Client[S, Q, R]) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		c.client.Close()
		c.client = nil
	}
}

// Call sends a request and waits for the response, at most for the node's Timeout.
func (c *Client[S, Q, R]) Call(ctx context.Context, req *Q) (*R, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		return nil, fmt.Errorf("call %s: %w", c.name, errors.Join(errors.New("not connected to a master"), c.node.Err()))
	}
	ctx, cancel := context.WithTimeout(ctx, c.node.cfg.Timeout)
	defer cancel()
	res := new(R)
	if err := c.client.CallContext(ctx, req, res); err != nil {
		return nil, fmt.Errorf("call %s: %w", c.name, err)
	}
	return res, nil
}
