package robot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/rosbridge"
)

// link is a way to topics and services: a ROS 1 node, or a connection to a rosbridge server. Which of the two it is
// shows in the functions below only.
type link interface {
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
	_ link = (*node.Node)(nil)
	_ link = (*rosbridge.Client)(nil)
)

// publisher publishes messages of type M on one topic; see node.Publisher.
type publisher[M any] interface {
	Write(m *M)
}

func advertise[M any](l link, name string, latch bool) (publisher[M], error) {
	switch l := l.(type) {
	case *node.Node:
		return node.Advertise[M](l, name, latch)
	case *rosbridge.Client:
		return rosbridge.Advertise[M](l, name, latch)
	}
	return nil, unknownLink(l)
}

func subscribe[M any](l link, name string, fn func(*M)) error {
	switch l := l.(type) {
	case *node.Node:
		return node.Subscribe(l, name, fn)
	case *rosbridge.Client:
		return rosbridge.Subscribe(l, name, fn)
	}
	return unknownLink(l)
}

func serve[S, Q, R any](l link, name string, fn func(*Q) (*R, bool)) error {
	switch l := l.(type) {
	case *node.Node:
		return node.Serve[S](l, name, fn)
	case *rosbridge.Client:
		return rosbridge.Serve[S](l, name, fn)
	}
	return unknownLink(l)
}

func unknownLink(l link) error { return fmt.Errorf("robot: no such link: %T", l) }

// rosNode is the ROS 1 node behind the link, for what only that can do: actions.
func rosNode(l link) (*node.Node, error) {
	if n, ok := l.(*node.Node); ok {
		return n, nil
	}
	return nil, errors.New("robot: a Franka arm's gripper and recovery are ROS 1 actions, which rosbridge does not carry: describe the arm in a file (--arm)")
}

// open makes the link that the configuration asks for.
func open(ctx context.Context, cfg *Config, g *guard) (link, error) {
	if cfg.URL == "" {
		return node.Open(ctx, node.Config{Names: cfg.Names, Logger: cfg.Logger, Wait: cfg.Wait, Poll: cfg.Poll, OnMaster: g.master, OnListeners: g.listeners, OnPublisherLost: g.publisherLost, OnIntruder: g.hold})
	}
	version := rosbridge.ROS2
	if cfg.ROS1 {
		version = rosbridge.ROS1
	}
	return rosbridge.Open(ctx, rosbridge.Config{URL: cfg.URL, Names: cfg.Names, Version: version, Logger: cfg.Logger, Wait: cfg.Wait, Silence: cfg.Poll, OnUp: g.master})
}
