package faults

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/simnode"
	"korr/ros/toyarm"
	"korr/ros/transport"
)

// ServeArm serves the toy arm as the simulator's node until ctx ends.
func ServeArm(ctx context.Context, n *names.Names, seed uint64, log *slog.Logger) (err error) {
	toy := toyarm.New(math.MaxInt)
	toy.Still = true // parts that change places have to be told from parts that move
	s, err := simnode.New(ctx, simnode.Config{Names: n, Env: toy, Seed: seed, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	err = s.Run(ctx)
	if errors.Is(err, node.ErrReplaced) {
		log.Warn(replaced)
	}
	return err
}

// ServeRelay passes the commands on to relayTopic until ctx ends: the arm's controller, as a process that can be
// killed. Of a trajectory it passes on where its point puts the tool.
func ServeRelay(ctx context.Context, n *names.Names, log *slog.Logger) (err error) {
	r, err := transport.Open(ctx, transport.Config{Names: n, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	out, err := transport.Advertise[msgs.PoseStamped](r, relayTopic, transport.Command)
	if err != nil {
		return err
	}
	arm, err := jointChain()
	if err != nil {
		return err
	}
	err = errors.Join(
		transport.Subscribe(r, msgs.CommandTopic, transport.Command, out.Write),
		transport.Subscribe(r, trajectoryTopic, transport.Command, func(m *msgs.JointTrajectory) {
			if len(m.Points) == 1 && len(m.Points[0].Positions) == len(arm.Joints) {
				out.Write(&msgs.PoseStamped{Header: m.Header, Pose: msgs.PoseOf(arm.Forward(m.Points[0].Positions))})
			}
		}),
	)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.Done():
		return r.Err()
	}
}

// replaced is what an arm logs that lost its name.
const replaced = "replaced"

// relayTopic is where an arm behind a relay listens.
const relayTopic = "/relayed_pose"
