package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"korr/ros/xmlrpc"
)

// poll asks the master once per period whether it still knows this node, and acts on the answer.
func (n *Node) poll(ctx context.Context) {
	defer close(n.polled)
	tick := time.NewTicker(n.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.done:
			return
		case <-tick.C:
		}
		n.check(ctx)
	}
}

// check is one poll.
func (n *Node) check(ctx context.Context) {
	uri, err := n.lookup(ctx)
	var ros *xmlrpc.ROSError
	switch {
	case ctx.Err() != nil:
	case err == nil && uri == n.uri:
		n.setUp(true)
		n.lookAtPublishers(ctx)
	case err == nil:
		n.end(fmt.Errorf("%w (the master now knows it at %s)", ErrReplaced, uri))
	case errors.As(err, &ros): // the master lives and has forgotten the node: it was restarted
		n.setUp(false)
		n.rebuild(ctx)
	default:
		if n.setUp(false) {
			n.log.Warn("the ROS master is lost", "uri", n.cfg.Names.MasterURI, "err", err)
		}
	}
}

// setUp records the state of the master and tells the owner when it changed.
func (n *Node) setUp(up bool) (changed bool) {
	if n.up.Swap(up) == up {
		return false
	}
	if n.cfg.OnMaster != nil {
		n.cfg.OnMaster(up)
	}
	return true
}

// rebuild makes the node and all endpoints anew at a master that was restarted. What fails is tried again by the next
// poll.
func (n *Node) rebuild(ctx context.Context) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disconnect()
	err := n.connect(ctx)
	for i := 0; err == nil && i < len(n.endpoints); i++ {
		err = n.endpoints[i].attach(n.ros)
	}
	if err != nil {
		n.log.Warn("registering again failed", "err", err)
		n.disconnect()
		return
	}
	n.log.Info("registered again with the ROS master", "uri", n.cfg.Names.MasterURI)
	n.setUp(true)
}
