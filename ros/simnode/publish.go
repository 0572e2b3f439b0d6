package simnode

import (
	"errors"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/panda"
	"korr/sim"
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
	head := func(frame string) msgs.Header { return msgs.Header{Seq: s.seq, Stamp: s.stamp, FrameId: frame} }
	state := s.episode // a copy: messages are serialised later
	state.Header = head("")
	parts := &msgs.PoseArray{Header: head("tag"), Poses: make([]msgs.Pose, len(s.spec.PartNames))}
	for i := range parts.Poses {
		p := s.arm[ArmParts+sim.PoseDim*i:]
		parts.Poses[i] = msgs.PoseOf(geom.Pose{P: geom.Vec3(p), Q: geom.Quat(p[3:])})
	}
	s.out.clock.Write(&msgs.Clock{Clock: s.stamp})
	s.out.fingers.Write(&msgs.JointState{
		Header: head(""), Name: []string{"panda_finger_joint1", "panda_finger_joint2"},
		Position: []float64{s.arm[ArmFingers], s.arm[ArmFingers+1]}, Velocity: []float64{0, 0}, Effort: []float64{0, 0},
	})
	s.out.joints.Write(s.jointState(head("")))
	s.out.parts.Write(parts)
	s.out.state.Write(&state)
	s.out.franka.Write(s.frankaState(head("")))
}

// jointState is the arm and the fingers for rviz.
func (s *Server) jointState(h msgs.Header) *msgs.JointState {
	m := &msgs.JointState{Header: h, Effort: make([]float64, panda.Joints+2)}
	for i := range panda.Joints {
		m.Name = append(m.Name, "panda_joint"+string(rune('1'+i)))
	}
	m.Name = append(m.Name, "panda_finger_joint1", "panda_finger_joint2")
	m.Position = append(append(m.Position, s.arm[ArmQ:ArmQ+panda.Joints]...), s.arm[ArmFingers:ArmFingers+2]...)
	m.Velocity = append(append(m.Velocity, s.arm[ArmDQ:ArmDQ+panda.Joints]...), 0, 0)
	return m
}

// frankaState is the arm as franka_ros reports it. Torques, contacts and desired joints are not simulated: they are
// zero, or equal to what is measured.
func (s *Server) frankaState(h msgs.Header) *msgs.FrankaState {
	a := s.arm
	m := &msgs.FrankaState{
		Header: h, RobotMode: msgs.RobotModeMove, Time: float64(s.stamp.UnixNano()) / float64(time.Second),
		ControlCommandSuccessRate: 1, MEe: 0.73, MTotal: 0.73, ODdPO: [3]float64{0, 0, -9.81},
	}
	copy(m.Q[:], a[ArmQ:])
	copy(m.Dq[:], a[ArmDQ:])
	m.QD, m.DqD, m.Theta, m.Dtheta = m.Q, m.Dq, m.Q, m.Dq
	copy(m.ODPEED[:], a[ArmTwist:])
	m.OTEE = matrix(geom.Vec3(a[ArmPosition:]), geom.Mat3(a[ArmRotation:]))
	m.OTEED = matrix(s.target.P, s.target.Q.Mat())
	m.OTEEC = m.OTEED
	m.FTEE = matrix(geom.Vec3{0, 0, panda.ToolOffset}, geom.RotZ(panda.HandYaw))
	m.FTNE = m.FTEE
	m.NETEE = matrix(geom.Vec3{}, geom.Identity3)
	m.EETK = m.NETEE
	return m
}

// matrix is a pose as a column-major 4x4 matrix.
func matrix(p geom.Vec3, r geom.Mat3) [16]float64 {
	return [16]float64{r[0], r[3], r[6], 0, r[1], r[4], r[7], 0, r[2], r[5], r[8], 0, p[0], p[1], p[2], 1}
}
