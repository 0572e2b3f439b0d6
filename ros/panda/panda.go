package panda

import (
	"math"

	"korr/internal/geom"
)

// Joints is the number of joints of the arm.
const Joints = 7

// Lengths beyond joint 7, m, and the hand's yaw on the flange, rad.
const (
	FlangeOffset = 0.107
	ToolOffset   = 0.1034
	HandYaw      = -math.Pi / 4
)

// links are a (m), d (m) and the cosine and sine of alpha, which is a multiple of a quarter turn.
var links = [Joints]struct{ a, d, cos, sin float64 }{
	{0, 0.333, 1, 0},
	{0, 0, 0, -1},
	{0, 0.316, 0, 1},
	{0.0825, 0, 0, 1},
	{-0.0825, 0.384, 0, -1},
	{0, 0, 0, 1},
	{0.088, 0, 0, 1},
}

// Home are the joints an episode starts from, rad.
var Home = [Joints]float64{-0.0263, 0.3759, 0.1249, -2.1383, -0.0943, 2.4965, 0.0192}

// frame is a rotation and an origin in the base frame.
type frame struct {
	r geom.Mat3
	p geom.Vec3
}

// chain returns the frames of the joints, whose z axes are the joints' axes.
func chain(q *[Joints]float64) (f [Joints]frame) {
	at := frame{r: geom.Identity3}
	for i, l := range links {
		at.p = at.p.Add(at.r.Col(0).Scale(l.a))
		at.r = at.r.Mul(geom.Mat3{1, 0, 0, 0, l.cos, -l.sin, 0, l.sin, l.cos})
		at.p = at.p.Add(at.r.Col(2).Scale(l.d))
		at.r = at.r.Mul(geom.RotZ(q[i]))
		f[i] = at
	}
	return f
}

// Links returns the frames panda_link1 to panda_link7 in the base frame, panda_link0, for joint angles q (rad).
func Links(q *[Joints]float64) (out [Joints]geom.Pose) {
	f := chain(q)
	for i := range f {
		out[i] = geom.Pose{P: f[i].p, Q: f[i].r.Quat()}
	}
	return out
}

// tool is the end effector behind joint 7's frame.
func tool(f frame) (geom.Vec3, geom.Mat3) {
	return f.p.Add(f.r.Col(2).Scale(FlangeOffset + ToolOffset)), f.r.Mul(geom.RotZ(HandYaw))
}

// Forward returns position (m) and rotation of the end effector in the base frame for joint angles q (rad).
func Forward(q *[Joints]float64) (geom.Vec3, geom.Mat3) {
	f := chain(q)
	return tool(f[Joints-1])
}

// Jacobian returns J with twist = J dq: rows 0..2 are the linear velocity of the tool point (m/s), rows 3..5 the
// angular velocity (rad/s), base frame.
func Jacobian(q *[Joints]float64) (j [6][Joints]float64) {
	f := chain(q)
	p, _ := tool(f[Joints-1])
	for i := range f {
		axis := f[i].r.Col(2)
		v := axis.Cross(p.Sub(f[i].p))
		for k := range 3 {
			j[k][i], j[3+k][i] = v[k], axis[k]
		}
	}
	return j
}

// Twist returns the end effector's linear (m/s) and angular (rad/s) velocity in the base frame for joint angles q and
// velocities dq (rad, rad/s).
func Twist(q, dq *[Joints]float64) (t [6]float64) {
	j := Jacobian(q)
	for k := range t {
		for i := range dq {
			t[k] += j[k][i] * dq[i]
		}
	}
	return t
}
