package main

import (
	"context"
	"errors"

	"korr/ros/msgs"
	"korr/ros/node"
)

// runBenchROSNode answers every state with a pose until ctx ends, in a process that collects garbage as korr run does.
func runBenchROSNode(ctx context.Context, o *benchROSOptions) (err error) {
	opts, err := o.realtimeOptions()
	if err != nil {
		return err
	}
	_, restore := opts.Process()
	defer restore()
	nm, err := o.ROSNames("peer")
	if err != nil {
		return err
	}
	n, err := node.Open(ctx, node.Config{Names: nm, Logger: o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	out, err := node.Advertise[msgs.PoseStamped](n, "command", false)
	if err != nil {
		return err
	}
	policy, err := foldedPolicy(o.Config.Seed)
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
		if o.transport {
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

// foldedPolicy is a control step of the published networks: the first two components of the action for an observation and a base action that
// lie in state one after the other.
func foldedPolicy(s uint64) (func(state []float64) (x, z float64), error) {
	model, head, err := benchNetworks(s)
	if err != nil {
		return nil, err
	}
	fold, err := model.Fold(head)
	if err != nil {
		return nil, err
	}
	f, in, r := fold.Predictor(), make([]float32, benchObs+benchAct), make([]float32, benchAct)
	return func(state []float64) (x, z float64) {
		for i := range in {
			in[i] = float32(state[i])
		}
		f.Observe(in[:benchObs])
		f.HeadTo(r, in[benchObs:])
		return float64(r[0]), float64(r[1])
	}, nil
}
