package bench

import (
	"context"
	"errors"
	"log/slog"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

// ServeROSNode is the node that ROS measures: it answers every state with a pose until ctx ends. It computes the
// published networks, folded, unless transport.
func ServeROSNode(ctx context.Context, nm *names.Names, seed uint64, transport bool, log *slog.Logger) (err error) {
	n, err := node.Open(ctx, node.Config{Names: nm, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	out, err := node.Advertise[msgs.PoseStamped](n, "command", false)
	if err != nil {
		return err
	}
	policy, err := foldedPolicy(seed)
	if err != nil {
		return err
	}
	parts := make(chan *msgs.PoseArray, 1)
	var newest *msgs.PoseArray
	if err := errors.Join(node.Subscribe(n, "parts", func(m *msgs.PoseArray) {
		select {
		case <-parts:
		default:
		}
		parts <- m
	}), node.Subscribe(n, "state", func(m *msgs.JointState) {
		select {
		case newest = <-parts:
		default:
		}
		p := &msgs.PoseStamped{Header: msgs.Header{Stamp: m.Header.Stamp}}
		if transport {
			for _, v := range m.Position {
				p.Pose.Position.X += v
			}
		} else {
			p.Pose.Position.X, p.Pose.Position.Z = policy(m.Position)
		}
		if newest != nil {
			for i := range newest.Poses {
				p.Pose.Position.Y += newest.Poses[i].Position.X
			}
		}
		p.Pose.Orientation.W = 1
		out.Write(p)
	})); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// foldedPolicy is a control step of the published networks: the first two components of the action for an observation
// and a base action that lie in state one after the other.
func foldedPolicy(s uint64) (func(state []float64) (x, z float64), error) {
	model, head, err := publishedNetworks(s)
	if err != nil {
		return nil, err
	}
	fold, err := model.Fold(head)
	if err != nil {
		return nil, err
	}
	f, in, r := fold.Predictor(), make([]float32, obsDim+actDim), make([]float32, actDim)
	return func(state []float64) (x, z float64) {
		for i := range in {
			in[i] = float32(state[i])
		}
		f.Observe(in[:obsDim])
		f.HeadTo(r, in[obsDim:])
		return float64(r[0]), float64(r[1])
	}, nil
}
