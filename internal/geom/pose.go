package geom

import "math"

// Pose is a rigid transform: first the rotation Q, then the shift P (metres).
// As the pose of a body it maps body coordinates to those of the parent frame.
type Pose struct {
	P Vec3
	Q Quat
}

// IdentityPose leaves everything where it is.
var IdentityPose = Pose{Q: IdentityQuat}

// TagFrame is the pose of the AprilTag frame in the robot's base frame, in
// which FurnitureBench reports the parts: t = (0.3015, 0, 0) m,
// R = Rz(pi/2) Ry(0) Rx(pi).
var TagFrame = Pose{
	P: Vec3{0.3015, 0, 0},
	Q: Quat{math.Sqrt2 / 2, math.Sqrt2 / 2, 0, 0},
}

// Mul returns the composition a b: b first, then a.
func (a Pose) Mul(b Pose) Pose {
	return Pose{P: a.P.Add(a.Q.Rotate(b.P)), Q: a.Q.Mul(b.Q)}
}

// Inv returns the inverse transform.
func (a Pose) Inv() Pose {
	q := a.Q.Inv()
	return Pose{P: q.Rotate(a.P).Scale(-1), Q: q}
}

// Apply maps the point v from body to parent coordinates.
func (a Pose) Apply(v Vec3) Vec3 { return a.P.Add(a.Q.Rotate(v)) }
