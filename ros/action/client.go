package action

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
)

// resendPeriod is how often a goal is sent again until it is acknowledged.
const resendPeriod = 100 * time.Millisecond

// ErrNoServer means that a goal was never acknowledged.
var ErrNoServer = errors.New("no action server acknowledged the goal")

// Client sends goals to one action server. Send and Wait are for one goroutine.
type Client[G, R any] struct {
	name string
	goal *node.Publisher[G]
	from string
	sent uint64

	mu     sync.Mutex
	id     string        // of the newest goal
	acked  chan struct{} // closed when it was acknowledged
	result *R            // of the newest goal, once there is one
}

// NewClient connects to the action of a name.
func NewClient[G, R any](n *node.Node, name string) (*Client[G, R], error) {
	c := &Client[G, R]{name: name, from: n.Names().Node}
	var err error
	if c.goal, err = node.Advertise[G](n, name+"/goal", false); err != nil {
		return nil, err
	}
	if err := node.Subscribe(n, name+"/status", c.onStatus); err != nil {
		return nil, err
	}
	return c, node.Subscribe(n, name+"/result", c.onResult)
}

func (c *Client[G, R]) onStatus(a *msgs.GoalStatusArray) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range a.StatusList {
		c.ack(a.StatusList[i].GoalId.Id)
	}
}

func (c *Client[G, R]) onResult(r *R) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ack(field[msgs.GoalStatus](r, "Status").GoalId.Id) {
		c.result = r
	}
}

// ack notes that the server has the goal of the id, and reports whether that is the newest goal.
func (c *Client[G, R]) ack(id string) bool {
	if id != c.id || c.acked == nil {
		return false
	}
	select {
	case <-c.acked:
	default:
		close(c.acked)
	}
	return true
}

// Do sends a goal, whose Goal field the caller has set, and waits until the server has acknowledged it; it does not
// wait for the result. The error wraps ErrNoServer when ctx ends first.
func (c *Client[G, R]) Do(ctx context.Context, fill func(*G)) error {
	c.sent++
	now := time.Now()
	id := msgs.GoalID{Stamp: now, Id: fmt.Sprintf("%s-%d-%d.%09d", c.from, c.sent, now.Unix(), now.Nanosecond())}
	acked := make(chan struct{})
	c.mu.Lock()
	c.id, c.acked, c.result = id.Id, acked, nil
	c.mu.Unlock()
	tick := time.NewTicker(resendPeriod)
	defer tick.Stop()
	for {
		g := new(G) // fresh every time: the library serialises it later
		fill(g)
		*field[msgs.GoalID](g, "GoalId") = id
		field[msgs.Header](g, "Header").Stamp = now
		c.goal.Write(g)
		select {
		case <-acked:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: %s (%w)", ErrNoServer, c.name, ctx.Err())
		case <-tick.C:
		}
	}
}

// Result returns the result of the newest goal, nil while there is none.
func (c *Client[G, R]) Result() *R {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.result
}
