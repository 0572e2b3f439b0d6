package simarm

import (
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/panda"
	"korr/sim"
)

// Frame is one observation of a simulated arm: what the robot-side messages are made of, whether they are published or
// recorded.
type Frame struct {
	Seq    uint32
	Stamp  time.Time
	Arm    []float64 // as State writes it, Dim(parts)
	Target geom.Pose // the pose commanded, base frame
}

// Header is the header of a message of this observation.
func (f *Frame) Header(frame string) msgs.Header {
	return msgs.Header{Seq: f.Seq, Stamp: f.Stamp, FrameId: frame}
}

// Parts are the part poses in the tag frame, in the order of Spec.PartNames.
func (f *Frame) Parts() *msgs.PoseArray {
	m := &msgs.PoseArray{Header: f.Header("tag"), Poses: make([]msgs.Pose, (len(f.Arm)-Parts)/sim.PoseDim)}
	for i := range m.Poses {
		p := f.Arm[Parts+sim.PoseDim*i:]
		m.Poses[i] = msgs.PoseOf(geom.Pose{P: geom.Vec3(p), Q: geom.Quat(p[3:])})
	}
	return m
}

// Fingers are the gripper's joints.
func (f *Frame) Fingers() *msgs.JointState {
	return &msgs.JointState{
		Header: f.Header(""), Name: []string{"panda_finger_joint1", "panda_finger_joint2"},
		Position: []float64{f.Arm[Fingers], f.Arm[Fingers+1]}, Velocity: []float64{0, 0}, Effort: []float64{0, 0},
	}
}

// Joints are the arm and the fingers for rviz.
func (f *Frame) Joints() *msgs.JointState {
	m := &msgs.JointState{Header: f.Header(""), Effort: make([]float64, panda.Joints+2)}
	for i := range panda.Joints {
		m.Name = append(m.Name, "panda_joint"+string(rune('1'+i)))
	}
	m.Name = append(m.Name, "panda_finger_joint1", "panda_finger_joint2")
	m.Position = append(append(m.Position, f.Arm[Q:Q+panda.Joints]...), f.Arm[Fingers:Fingers+2]...)
	m.Velocity = append(append(m.Velocity, f.Arm[DQ:DQ+panda.Joints]...), 0, 0)
	return m
}

// Franka is the arm as franka_ros reports it. Torques, contacts and desired joints are not simulated: they are zero, or
// equal to what is measured.
func (f *Frame) Franka() *msgs.FrankaState {
	a := f.Arm
	m := &msgs.FrankaState{
		Header: f.Header(""), RobotMode: msgs.RobotModeMove, Time: float64(f.Stamp.UnixNano()) / float64(time.Second),
		ControlCommandSuccessRate: 1, MEe: 0.73, MTotal: 0.73, ODdPO: [3]float64{0, 0, -9.81},
	}
	copy(m.Q[:], a[Q:])
	copy(m.Dq[:], a[DQ:])
	m.QD, m.DqD, m.Theta, m.Dtheta = m.Q, m.Dq, m.Q, m.Dq
	copy(m.ODPEED[:], a[Twist:])
	m.OTEE = Matrix(geom.Vec3(a[Position:]), geom.Mat3(a[Rotation:]))
	m.OTEED = Matrix(f.Target.P, f.Target.Q.Mat())
	m.OTEEC = m.OTEED
	m.FTEE = Matrix(geom.Vec3{0, 0, panda.ToolOffset}, geom.RotZ(panda.HandYaw))
	m.FTNE = m.FTEE
	m.NETEE = Matrix(geom.Vec3{}, geom.Identity3)
	m.EETK = m.NETEE
	return m
}

// Matrix is a pose as a column-major 4x4 matrix.
func Matrix(p geom.Vec3, r geom.Mat3) [16]float64 {
	return [16]float64{r[0], r[3], r[6], 0, r[1], r[4], r[7], 0, r[2], r[5], r[8], 0, p[0], p[1], p[2], 1}
}
