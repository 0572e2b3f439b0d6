package bench

import (
	"context"
	"errors"
	"log/slog"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/ros2"
)

// ServeROSNode is the node that ROS measures, over ROS 1: it answers every state with a pose until ctx ends. It computes
// the published networks, folded, unless transport.
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
	a, err := newAnswerer(seed, transport)
	if err != nil {
		return err
	}
	if err := errors.Join(node.Subscribe(n, "parts", a.hear), node.Subscribe(n, "state", func(m *msgs.JointState) {
		out.Write(a.answer(m))
	})); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// ServeROS2Node is ServeROSNode over ROS 2.
func ServeROS2Node(ctx context.Context, nm *names.Names, seed uint64, transport bool, log *slog.Logger) (err error) {
	n, err := ros2.Open(ctx, ros2.Config{
		Names: nm, Logger: log, OnListeners: func(string, int) {}, // commands are watched, as when an arm is driven
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	out, err := ros2.Advertise[msgs.PoseStamped](n, "command", ros2.Command)
	if err != nil {
		return err
	}
	a, err := newAnswerer(seed, transport)
	if err != nil {
		return err
	}
	if err := errors.Join(
		ros2.Subscribe(n, "parts", ros2.State, a.hear),
		ros2.Subscribe(n, "state", ros2.State, func(m *msgs.JointState) { out.Write(a.answer(m)) }),
	); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// answerer makes of a state the pose that answers it.
type answerer struct {
	policy func(state []float64) (x, z float64) // nil = a sum
	parts  chan *msgs.PoseArray                 // the newest, not looked at
	newest *msgs.PoseArray
}

func newAnswerer(seed uint64, transport bool) (a *answerer, err error) {
	a = &answerer{parts: make(chan *msgs.PoseArray, 1)}
	if !transport {
		a.policy, err = foldedPolicy(seed)
	}
	return a, err
}

func (a *answerer) hear(m *msgs.PoseArray) {
	select {
	case <-a.parts:
	default:
	}
	a.parts <- m
}

func (a *answerer) answer(m *msgs.JointState) *msgs.PoseStamped {
	select {
	case a.newest = <-a.parts:
	default:
	}
	p := &msgs.PoseStamped{Header: msgs.Header{Stamp: m.Header.Stamp}}
	if a.policy == nil {
		for _, v := range m.Position {
			p.Pose.Position.X += v
		}
	} else {
		p.Pose.Position.X, p.Pose.Position.Z = a.policy(m.Position)
	}
	if a.newest != nil {
		for i := range a.newest.Poses {
			p.Pose.Position.Y += a.newest.Poses[i].Position.X
		}
	}
	p.Pose.Orientation.W = 1
	return p
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
