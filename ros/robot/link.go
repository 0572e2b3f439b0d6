package robot

import (
	"context"
	"errors"

	"korr/ros/transport"
)

// link is the way to topics and services: ROS 1, ROS 2 or a rosbridge server.
type link = transport.Link

// publisher publishes messages of type M on one topic.
type publisher[M any] = transport.Publisher[M]

// open makes the link that the configuration asks for.
func open(ctx context.Context, cfg *Config, g *guard) (link, error) {
	return transport.Open(ctx, transport.Config{
		Names: cfg.Names, Logger: cfg.Logger, URL: cfg.URL, ROS1: cfg.ROS1, Wait: cfg.Wait, Poll: cfg.Poll,
		OnMaster: g.master, OnListeners: g.listeners, OnPublisherLost: g.publisherLost, OnPolicy: g.policy,
		OnIntruder: g.hold, Tap: cfg.Tap,
	})
}

// noActions tells who asked rosbridge for a Franka's actions what to do instead.
func noActions(err error) error {
	if errors.Is(err, transport.ErrBridge) {
		return errors.New("robot: a Franka arm's gripper and recovery are actions, which rosbridge does not carry: use " +
			"--robot ros1 or ros2, or describe the arm in a file (--arm)")
	}
	return err
}
