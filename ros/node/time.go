package node

import (
	"context"
	"time"

	"github.com/bluenviron/goroslib/v2"
)

// Now is the time of the ROS graph: the wall clock, or, when the parameter /use_sim_time was true as the node
// connected, what /clock last said (1970 until it first speaks). It may jump; watchdogs belong on the monotonic clock.
// It never blocks.
func (n *Node) Now() time.Time {
	if !n.simTime.Load() {
		return time.Now()
	}
	if ros := n.current.Load(); ros != nil {
		t := ros.TimeNow()
		n.lastNow.Store(t.UnixNano())
		return t
	}
	return time.Unix(0, n.lastNow.Load()) // between two masters time stands still
}

// SimTime reports whether the node lives by /clock.
func (n *Node) SimTime() bool { return n.simTime.Load() }

// became makes a goroslib node the current one and learns which time it keeps.
func (n *Node) became(ctx context.Context, ros *goroslib.Node) error {
	v, _, err := n.Param(ctx, "/use_sim_time")
	if err != nil {
		return err
	}
	on, _ := v.(bool)
	n.simTime.Store(on)
	n.current.Store(ros)
	return nil
}
