package transport

import (
	"context"
	"fmt"
	"reflect"

	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/ros2"
)

// Action is an action by its names in both generations and its type in ROS 2.
type Action struct{ ROS1, ROS2, Kind string }

// Franka's actions.
var (
	Grasp    = Action{msgs.GripperAction + "grasp", msgs.GripperAction + "grasp", "franka_msgs/action/Grasp"}
	Move     = Action{msgs.GripperAction + "move", msgs.GripperAction + "move", "franka_msgs/action/Move"}
	Homing   = Action{msgs.GripperAction + "homing", msgs.GripperAction + "homing", "franka_msgs/action/Homing"}
	Recovery = Action{msgs.RecoveryAction, msgs.RecoveryAction2, "franka_msgs/action/ErrorRecovery"}
)

// ActionClient sends goals G to one action server. Do waits until the server has taken the goal, not for its result.
type ActionClient[G any] interface {
	Do(ctx context.Context, fill func(*G)) error
}

// NewActionClient connects to an action with the goal G and the result R; AG and AR are ROS 1's messages around them.
func NewActionClient[AG, AR, G, R any](l Link, a Action) (ActionClient[G], error) {
	switch l := bare(l).(type) {
	case *node.Node:
		c, err := action.NewClient[AG, AR](l, a.ROS1)
		if err != nil {
			return nil, err
		}
		return client1[AG, AR, G]{c}, nil
	case *ros2.Node:
		c, err := ros2.NewActionClient[G, R](l, a.ROS2, a.Kind)
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	return nil, unknown(l)
}

// client1 is ROS 1's client, seen by its goal.
type client1[AG, AR, G any] struct{ *action.Client[AG, AR] }

func (c client1[AG, AR, G]) Do(ctx context.Context, fill func(*G)) error {
	return c.Client.Do(ctx, func(m *AG) { fill(part[G](m, "Goal")) })
}

// ActionServer serves one action with one goal at a time, which Finish ends with a status of ROS 1 and a result R.
type ActionServer[R any] interface {
	Finish(id string, status uint8, fill func(*R))
	Close()
}

// NewActionServer serves an action with the goal G, the result R and the feedback F; AG, AR and AF are ROS 1's messages
// around them. onGoal is called for each new goal and must only store it; an error rejects the goal. onCancel is called
// when the active goal is cancelled; it may be nil.
func NewActionServer[AG, AR, AF, G, R, F any](l Link, a Action, onGoal func(id string, goal *G) error,
	onCancel func(),
) (ActionServer[R], error) {
	switch l := bare(l).(type) {
	case *node.Node:
		s, err := action.NewServer[AG, AR, AF](l, a.ROS1, func(m *AG) error {
			return onGoal(part[msgs.GoalID](m, "GoalId").Id, part[G](m, "Goal"))
		}, onCancel)
		if err != nil {
			return nil, err
		}
		return server1[AG, AR, AF, R]{s}, nil
	case *ros2.Node:
		s, err := ros2.NewActionServer[G, R, F](l, a.ROS2, a.Kind, onGoal, onCancel)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
	return nil, unknown(l)
}

// server1 is ROS 1's server, seen by its result.
type server1[AG, AR, AF, R any] struct{ *action.Server[AG, AR, AF] }

func (s server1[AG, AR, AF, R]) Finish(id string, status uint8, fill func(*R)) {
	if fill == nil {
		s.Server.Finish(id, status, nil)
		return
	}
	s.Server.Finish(id, status, func(m *AR) { fill(part[R](m, "Result")) })
}

// part is a pointer to a message's field of type T. It panics when there is none: that is a wrong type parameter.
func part[T any](message any, name string) *T {
	f := reflect.ValueOf(message).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		panic(fmt.Sprintf("transport: %T has no field %s of type %v", message, name, reflect.TypeFor[T]()))
	}
	return f.Addr().Interface().(*T)
}
