package transport

import (
	"korr/ros/msgs"
	"korr/ros/ros2"
)

// StateTopic is the name of a Franka's state on a link.
func StateTopic(l Link) string {
	if ROS2(l) {
		return msgs.RobotStateTopic
	}
	return msgs.StateTopic
}

// AdvertiseFranka makes a publisher of a Franka's state: franka_msgs/FrankaState in ROS 1, FrankaRobotState in ROS 2.
func AdvertiseFranka(l Link) (Publisher[msgs.FrankaState], error) {
	n, is := bare(l).(*ros2.Node)
	if !is {
		return Advertise[msgs.FrankaState](l, msgs.StateTopic, State)
	}
	p, err := ros2.Advertise[msgs.FrankaRobotState](n, msgs.RobotStateTopic, State)
	return watched[msgs.FrankaState](l, msgs.RobotStateTopic, State, frankaPublisher{p}, err)
}

// frankaPublisher publishes a state in ROS 2's form.
type frankaPublisher struct {
	*ros2.Publisher[msgs.FrankaRobotState]
}

func (p frankaPublisher) Write(m *msgs.FrankaState) { p.Publisher.Write(m.RobotState()) }

// SubscribeFranka calls fn for every state of a Franka, with an error when the message does not hold what its type
// promises; what could be read is in the state then.
func SubscribeFranka(l Link, fn func(*msgs.FrankaState, error)) error {
	if ROS2(l) {
		return Subscribe(l, msgs.RobotStateTopic, State, func(m *msgs.FrankaRobotState) { fn(m.State()) })
	}
	return Subscribe(l, msgs.StateTopic, State, func(m *msgs.FrankaState) { fn(m, nil) })
}
