package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/ros2"
	"korr/ros/rosbridge"
)

// Link is a connection to a ROS graph.
type Link interface {
	Names() *names.Names
	Logger() *slog.Logger
	Now() time.Time // that messages are stamped with
	SimTime() bool  // Now is a simulation's
	MasterUp() bool // the master, or the bridge, answers
	Done() <-chan struct{}
	Err() error // nil while the link lives or may come back by itself
	Close() error
}

var (
	_ Link = (*node.Node)(nil)
	_ Link = (*ros2.Node)(nil)
	_ Link = (*rosbridge.Client)(nil)
)

// Config describes a connection: ROS 2 if Names says so, a rosbridge server if there is a URL, else ROS 1.
type Config struct {
	Names  *names.Names
	Logger *slog.Logger
	URL    string        // of a rosbridge server; "" = none
	ROS1   bool          // the rosbridge server is in front of ROS 1
	Wait   bool          // wait for a master or server instead of failing
	Poll   time.Duration // of the master, or the silence of a rosbridge server that counts as loss; 0 = 1 s

	// What follows may be nil and must not block.

	Tap             Tap                        // sees the messages on the topics of this link
	OnMaster        func(up bool)              // the master or the server was lost or is back
	OnListeners     func(topic string, n int)  // subscribers of a topic advertised here changed; not over rosbridge
	OnPublisherLost func(topic string)         // a publisher of a topic subscribed to here is gone; not over rosbridge
	OnPolicy        func(topic, policy string) // over ROS 2: QoS that does not match; "" = it does now
	OnIntruder      func(what string)          // over ROS 1: somebody acts in this node's name
}

// ROS2 reports whether a link is one to ROS 2's graph, natively.
func ROS2(l Link) bool {
	_, is := bare(l).(*ros2.Node)
	return is
}

// Graph reports whether a link knows who else is in the graph.
func Graph(l Link) bool {
	_, bridge := bare(l).(*rosbridge.Client)
	return !bridge
}

// Open connects.
func Open(ctx context.Context, c Config) (Link, error) {
	l, err := connect(ctx, c)
	if err != nil {
		return nil, err
	}
	return Tapped(l, c.Tap), nil
}

func connect(ctx context.Context, c Config) (Link, error) {
	switch {
	case c.Names != nil && c.Names.ROS2 != nil:
		return open(ros2.Open(ctx, ros2.Config{
			Names: c.Names, Logger: c.Logger, OnListeners: c.OnListeners, OnPublisherLost: c.OnPublisherLost,
			OnPolicy: c.OnPolicy,
		}))
	case c.URL == "":
		return open(node.Open(ctx, node.Config{
			Names: c.Names, Logger: c.Logger, Wait: c.Wait, Poll: c.Poll, OnMaster: c.OnMaster, OnListeners: c.OnListeners,
			OnPublisherLost: c.OnPublisherLost, OnIntruder: c.OnIntruder,
		}))
	}
	version := rosbridge.ROS2
	if c.ROS1 {
		version = rosbridge.ROS1
	}
	return open(rosbridge.Open(ctx, rosbridge.Config{
		URL: c.URL, Names: c.Names, Version: version, Logger: c.Logger, Wait: c.Wait, Silence: c.Poll, OnUp: c.OnMaster,
	}))
}

// open makes no link of an error: a nil pointer in an interface is none.
func open[L Link](l L, err error) (Link, error) {
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Kind says what a topic is for; in ROS 2 that is its quality of service, in ROS 1 Latched alone makes a difference.
type Kind = ros2.Profile

// The kinds.
const (
	State   = ros2.State
	Command = ros2.Command
	Report  = ros2.Report
	Latched = ros2.Latched
	Button  = ros2.Button
	Clock   = ros2.Clock
)

// Publisher publishes messages of type M on one topic. A message that was written must not be changed afterwards.
type Publisher[M any] interface {
	Write(m *M)
}

// Advertise makes a publisher on the topic of a name.
func Advertise[M any](l Link, name string, k Kind) (Publisher[M], error) {
	p, err := advertise[M](l, name, k)
	return watched(l, name, k, p, err)
}

func advertise[M any](l Link, name string, k Kind) (Publisher[M], error) {
	switch l := bare(l).(type) {
	case *node.Node:
		return published(node.Advertise[M](l, name, k == Latched))
	case *ros2.Node:
		return published(ros2.Advertise[M](l, name, k))
	case *rosbridge.Client:
		return published(rosbridge.Advertise[M](l, name, k == Latched))
	}
	return nil, unknown(l)
}

func published[M any, P Publisher[M]](p P, err error) (Publisher[M], error) {
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Subscribe calls fn for every message on the topic of a name, one at a time. fn must only store. A message may come
// twice.
func Subscribe[M any](l Link, name string, k Kind, fn func(*M)) error {
	fn = listened(l, name, k, fn)
	switch l := bare(l).(type) {
	case *node.Node:
		return node.Subscribe(l, name, fn)
	case *ros2.Node:
		return ros2.Subscribe(l, name, k, fn)
	case *rosbridge.Client:
		return rosbridge.Subscribe(l, name, fn)
	}
	return unknown(l)
}

// SubscribeEach calls said for every message with who sent it, and gone when a publisher has left. It is for buttons.
func SubscribeEach[M any](l Link, name string, said func(publisher string, m *M), gone func(publisher string)) error {
	switch l := bare(l).(type) {
	case *node.Node:
		return node.SubscribeEach(l, name, said, gone)
	case *ros2.Node:
		return ros2.SubscribeEach(l, name, said, gone)
	}
	return unknown(l)
}

// WatchPublishers calls fn with the nodes that publish the topic of a name, sorted, whenever they have changed. It must
// not block.
func WatchPublishers(l Link, name string, fn func(nodes []string)) error {
	switch l := bare(l).(type) {
	case *node.Node:
		return node.WatchPublishers(l, name, fn)
	case *ros2.Node:
		return ros2.WatchPublishers(l, name, fn)
	}
	return unknown(l)
}

// Serve answers the service of a name; S is its type with the request Q and the response R. fn returns false to report
// a failure.
func Serve[S, Q, R any](l Link, name string, fn func(*Q) (*R, bool)) error {
	switch l := bare(l).(type) {
	case *node.Node:
		return node.Serve[S](l, name, fn)
	case *ros2.Node:
		return ros2.Serve[S](l, name, fn)
	case *rosbridge.Client:
		return rosbridge.Serve[S](l, name, fn)
	}
	return unknown(l)
}

// Client calls one service.
type Client[Q, R any] interface {
	Call(ctx context.Context, req *Q) (*R, error)
}

// NewClient returns a client of the service of a name; not over rosbridge.
func NewClient[S, Q, R any](l Link, name string) (Client[Q, R], error) {
	switch l := bare(l).(type) {
	case *node.Node:
		return client[Q, R](node.NewClient[S, Q, R](l, name))
	case *ros2.Node:
		return client[Q, R](ros2.NewClient[S, Q, R](l, name))
	}
	return nil, unknown(l)
}

func client[Q, R any, C Client[Q, R]](c C, err error) (Client[Q, R], error) {
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ErrBridge means that rosbridge does not carry what is asked for.
var ErrBridge = errors.New("rosbridge carries no actions and knows nobody in the graph")

func unknown(l Link) error {
	if l, bridge := bare(l).(*rosbridge.Client); bridge && l != nil {
		return ErrBridge
	}
	return fmt.Errorf("transport: no such link: %T", l)
}
