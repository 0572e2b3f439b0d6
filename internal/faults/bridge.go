package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/rosbridge"
	"korr/ros/rosbridge/standin"
)

// callLimit is how long a service behind the bridge may take.
const callLimit = 2 * time.Second

// bridge is a rosbridge server: a ROS 1 node on one side, JSON over a websocket on the other. As the real one it passes
// on what it is told and knows nothing of the robot.
type bridge struct {
	node   *node.Node
	client *rosbridge.Client // of its own server
}

// ServeBridge serves rosbridge at an address until ctx ends: what the control node reads, says and serves over
// rosbridge crosses to the ROS 1 nodes of n's master. SIGUSR1 cuts every connection; clients may come back.
func ServeBridge(ctx context.Context, n *names.Names, addr string, log *slog.Logger) (err error) {
	server, err := standin.Start(addr)
	if err != nil {
		return err
	}
	defer server.Close()
	b := &bridge{}
	if b.node, err = node.Open(ctx, node.Config{Names: n, Logger: log}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.node.Close()) }()
	b.client, err = rosbridge.Open(ctx, rosbridge.Config{
		URL: server.URL(), Names: n, Version: rosbridge.ROS1,
		Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.client.Close()) }()
	err = errors.Join(
		inward[msgs.JointState](b, msgs.JointTopic, false),
		inward[msgs.PoseArray](b, msgs.PartsTopic, false),
		inward[msgs.String](b, msgs.PartNamesTopic, true),
		inward[msgs.Bool](b, "/korr/estop", false),
		inward[msgs.Header](b, "/korr/deadman", false),
		outward[msgs.PoseStamped](b, msgs.CommandTopic),
		outward[msgs.JointTrajectory](b, trajectoryTopic),
		outward[msgs.Action](b, "/korr/action"),
		served[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](b, "/korr/enable"),
		served[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](b, "/korr/reset_fault"),
	)
	if err != nil {
		return fmt.Errorf("bridge: %w", err)
	}
	cut := make(chan os.Signal, 1)
	signal.Notify(cut, syscall.SIGUSR1)
	defer signal.Stop(cut)
	for {
		select {
		case <-cut:
			log.Info(cutConnections)
			server.Drop()
		case <-ctx.Done():
			return ctx.Err()
		case <-b.node.Done():
			return b.node.Err()
		}
	}
}

// cutConnections is what the bridge logs right before it cuts them.
const cutConnections = "connections cut"

// inward passes a topic of ROS 1 on to the clients.
func inward[M any](b *bridge, topic string, latch bool) error {
	out, err := rosbridge.Advertise[M](b.client, topic, latch)
	if err != nil {
		return err
	}
	return node.Subscribe(b.node, topic, out.Write)
}

// outward passes a client's topic on to ROS 1.
func outward[M any](b *bridge, topic string) error {
	out, err := node.Advertise[M](b.node, topic, false)
	if err != nil {
		return err
	}
	return rosbridge.Subscribe(b.client, topic, out.Write)
}

// served is a client's service that ROS 1 calls.
func served[S, Q, R any](b *bridge, service string) error {
	return node.Serve[S](b.node, service, func(req *Q) (*R, bool) {
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		defer cancel()
		res, err := rosbridge.Call[S, Q, R](ctx, b.client, service, req)
		return res, err == nil
	})
}

// startBridge starts the rosbridge server, at the same address every time.
func (w *world) startBridge() (err error) {
	if w.bridgeAddr == "" {
		if w.bridgeAddr, err = freeAddr(); err != nil {
			return err
		}
	}
	w.bridge, err = start(w.env(), append(append([]string{}, w.cfg.Bridge...), "--listen", w.bridgeAddr)...)
	return err
}

// bridgeArgs make the control node reach its arm over the bridge.
func (w *world) bridgeArgs() []string {
	return []string{"--robot", "rosbridge", "--url", "ws://" + w.bridgeAddr, "--set", "run.ros_version=1"}
}
