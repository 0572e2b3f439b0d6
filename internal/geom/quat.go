package geom

import "math"

// Quat is a quaternion (x, y, z, w). Methods that rotate expect unit length.
type Quat [4]float64

// IdentityQuat is the rotation by zero.
var IdentityQuat = Quat{0, 0, 0, 1}

// AxisAngle returns the rotation by angle radians about axis, which need not
// be a unit vector; a zero axis gives the identity.
func AxisAngle(axis Vec3, angle float64) Quat {
	u := axis.Unit()
	if u == (Vec3{}) {
		return IdentityQuat
	}
	s, c := math.Sincos(angle / 2)
	return Quat{s * u[0], s * u[1], s * u[2], c}
}

// RotVec returns the rotation by |v| radians about v.
func RotVec(v Vec3) Quat { return AxisAngle(v, v.Norm()) }

// RotVec returns the rotation vector (axis times angle) of q, with an angle in
// [0, pi].
func (q Quat) RotVec() Vec3 {
	q = q.Canonical()
	v := Vec3{q[0], q[1], q[2]}
	n := v.Norm()
	if n < 1e-9 {
		return v.Scale(2)
	}
	return v.Scale(2 * math.Atan2(n, q[3]) / n)
}

// Angle returns the angle in [0, pi] of the rotation that takes q to p.
func (q Quat) Angle(p Quat) float64 { return q.Inv().Mul(p).RotVec().Norm() }

// Mul returns the product q p: the rotation p first, then q.
func (q Quat) Mul(p Quat) Quat {
	return Quat{
		q[3]*p[0] + q[0]*p[3] + q[1]*p[2] - q[2]*p[1],
		q[3]*p[1] - q[0]*p[2] + q[1]*p[3] + q[2]*p[0],
		q[3]*p[2] + q[0]*p[1] - q[1]*p[0] + q[2]*p[3],
		q[3]*p[3] - q[0]*p[0] - q[1]*p[1] - q[2]*p[2],
	}
}

// Inv returns the inverse of a unit quaternion, its conjugate.
func (q Quat) Inv() Quat { return Quat{-q[0], -q[1], -q[2], q[3]} }

// Dot returns the scalar product of the four components.
func (q Quat) Dot(p Quat) float64 { return q[0]*p[0] + q[1]*p[1] + q[2]*p[2] + q[3]*p[3] }

// Normalize returns q scaled to unit length; a quaternion shorter than 1e-12
// becomes the identity.
func (q Quat) Normalize() Quat {
	n := math.Sqrt(q.Dot(q))
	if n < 1e-12 {
		return IdentityQuat
	}
	return Quat{q[0] / n, q[1] / n, q[2] / n, q[3] / n}
}

// Canonical returns the one of q and -q (the same rotation) with w >= 0.
func (q Quat) Canonical() Quat {
	if q[3] < 0 {
		return Quat{-q[0], -q[1], -q[2], -q[3]}
	}
	return q
}

// Rotate returns q v q^-1.
func (q Quat) Rotate(v Vec3) Vec3 {
	u := Vec3{q[0], q[1], q[2]}
	t := u.Cross(v).Scale(2)
	return v.Add(t.Scale(q[3])).Add(u.Cross(t))
}

// Slerp interpolates along the shorter arc: q at t = 0, p at t = 1.
func (q Quat) Slerp(p Quat, t float64) Quat {
	d := q.Dot(p)
	if d < 0 {
		d = -d
		p = Quat{-p[0], -p[1], -p[2], -p[3]}
	}
	a, b := 1-t, t
	if d < 1-1e-9 {
		theta := math.Acos(d)
		s := math.Sin(theta)
		a, b = math.Sin((1-t)*theta)/s, math.Sin(t*theta)/s
	}
	var r Quat
	for i := range r {
		r[i] = a*q[i] + b*p[i]
	}
	return r.Normalize()
}

// Mat returns the rotation matrix of q, which is normalised first.
func (q Quat) Mat() Mat3 {
	q = q.Normalize()
	x, y, z, w := q[0], q[1], q[2], q[3]
	return Mat3{
		1 - 2*(y*y+z*z), 2 * (x*y - z*w), 2 * (x*z + y*w),
		2 * (x*y + z*w), 1 - 2*(x*x+z*z), 2 * (y*z - x*w),
		2 * (x*z - y*w), 2 * (y*z + x*w), 1 - 2*(x*x+y*y),
	}
}

// Quat returns the quaternion (w >= 0) of a rotation matrix, by Shepperd's
// method: the largest component is computed first, so nothing is divided by a
// small number.
func (m Mat3) Quat() Quat {
	tr := m[0] + m[4] + m[8]
	var q Quat
	switch {
	case tr >= m[0] && tr >= m[4] && tr >= m[8]:
		q = Quat{m[7] - m[5], m[2] - m[6], m[3] - m[1], 1 + tr}
	case m[0] >= m[4] && m[0] >= m[8]:
		q = Quat{1 + m[0] - m[4] - m[8], m[1] + m[3], m[2] + m[6], m[7] - m[5]}
	case m[4] >= m[8]:
		q = Quat{m[1] + m[3], 1 - m[0] + m[4] - m[8], m[5] + m[7], m[2] - m[6]}
	default:
		q = Quat{m[2] + m[6], m[5] + m[7], 1 - m[0] - m[4] + m[8], m[3] - m[1]}
	}
	return q.Normalize().Canonical()
}

// Rot6D is the first two rows of a rotation matrix, row-major.
type Rot6D [6]float64

// Rot6D returns the first two rows of m.
func (m Mat3) Rot6D() Rot6D { return Rot6D{m[0], m[1], m[2], m[3], m[4], m[5]} }

// Mat orthonormalises the two rows by Gram-Schmidt and completes them to a
// rotation. Degenerate rows (zero or parallel) give some valid rotation that
// keeps the first row where it has a length.
func (r Rot6D) Mat() Mat3 {
	a, b := Vec3{r[0], r[1], r[2]}.Unit(), Vec3{r[3], r[4], r[5]}
	if a == (Vec3{}) {
		a = Vec3{1, 0, 0}
	}
	b = b.Sub(a.Scale(a.Dot(b))).Unit()
	if b == (Vec3{}) {
		b = a.orthogonal()
	}
	return Rows(a, b, a.Cross(b))
}

// orthogonal returns some unit vector at a right angle to the unit vector v.
func (v Vec3) orthogonal() Vec3 {
	if math.Abs(v[0]) < 0.7 {
		return v.Cross(Vec3{1, 0, 0}).Unit()
	}
	return v.Cross(Vec3{0, 1, 0}).Unit()
}

// Quat returns the rotation of r as a quaternion with w >= 0.
func (r Rot6D) Quat() Quat { return r.Mat().Quat() }

// Rot6D returns the rotation q as the first two rows of its matrix.
func (q Quat) Rot6D() Rot6D { return q.Mat().Rot6D() }
