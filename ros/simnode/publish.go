package simnode

import (
	"errors"
	"strings"

	"korr/ros/msgs"
	"korr/ros/node"
)

// publishers are the robot-side topics.
type publishers struct {
	franka  *node.Publisher[msgs.FrankaState]
	fingers *node.Publisher[msgs.JointState]
	joints  *node.Publisher[msgs.JointState]
	parts   *node.Publisher[msgs.PoseArray]
	state   *node.Publisher[msgs.SimState]
	clock   *node.Publisher[msgs.Clock]
}

func (p *publishers) advertise(n *node.Node, parts []string) error {
	var errs [7]error
	p.franka, errs[0] = node.Advertise[msgs.FrankaState](n, msgs.StateTopic, false)
	p.fingers, errs[1] = node.Advertise[msgs.JointState](n, msgs.FingerTopic, false)
	p.joints, errs[2] = node.Advertise[msgs.JointState](n, msgs.JointTopic, false)
	p.parts, errs[3] = node.Advertise[msgs.PoseArray](n, msgs.PartsTopic, false)
	p.state, errs[4] = node.Advertise[msgs.SimState](n, "~state", true)
	p.clock, errs[5] = node.Advertise[msgs.Clock](n, msgs.ClockTopic, false)
	var list *node.Publisher[msgs.String]
	list, errs[6] = node.Advertise[msgs.String](n, msgs.PartNamesTopic, true)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	list.Write(&msgs.String{Data: strings.Join(parts, ",")})
	return nil
}

// publish sends the newest observation: the same stamp on every topic, the arm's state last.
func (s *Server) publish() {
	f := Frame{Seq: s.seq, Stamp: s.stamp, Arm: s.arm, Target: s.target}
	state := s.episode // a copy: messages are serialised later
	state.Header = f.Header("")
	s.out.clock.Write(&msgs.Clock{Clock: s.stamp})
	s.out.fingers.Write(f.Fingers())
	s.out.joints.Write(f.Joints())
	s.out.parts.Write(f.Parts())
	s.out.state.Write(&state)
	s.out.franka.Write(f.Franka())
}
