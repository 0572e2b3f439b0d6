package geom

import "math"

// Vec3 is a vector in R^3.
type Vec3 [3]float64

// Add returns v + w.
func (v Vec3) Add(w Vec3) Vec3 { return Vec3{v[0] + w[0], v[1] + w[1], v[2] + w[2]} }

// Sub returns v - w.
func (v Vec3) Sub(w Vec3) Vec3 { return Vec3{v[0] - w[0], v[1] - w[1], v[2] - w[2]} }

// Scale returns s v.
func (v Vec3) Scale(s float64) Vec3 { return Vec3{s * v[0], s * v[1], s * v[2]} }

// Dot returns the scalar product of v and w.
func (v Vec3) Dot(w Vec3) float64 { return v[0]*w[0] + v[1]*w[1] + v[2]*w[2] }

// Cross returns the vector product v x w.
func (v Vec3) Cross(w Vec3) Vec3 {
	return Vec3{v[1]*w[2] - v[2]*w[1], v[2]*w[0] - v[0]*w[2], v[0]*w[1] - v[1]*w[0]}
}

// Norm returns the Euclidean length of v.
func (v Vec3) Norm() float64 { return math.Sqrt(v.Dot(v)) }

// Unit returns v scaled to length one; a vector shorter than 1e-12 is returned
// as the zero vector (as torch's normalize does), so callers can test for it.
func (v Vec3) Unit() Vec3 {
	n := v.Norm()
	if n < 1e-12 {
		return Vec3{}
	}
	return v.Scale(1 / n)
}

// Lerp returns v + t (w - v).
func (v Vec3) Lerp(w Vec3, t float64) Vec3 { return v.Add(w.Sub(v).Scale(t)) }

// Mat3 is a 3x3 matrix, row-major.
type Mat3 [9]float64

// Identity3 is the identity matrix.
var Identity3 = Mat3{1, 0, 0, 0, 1, 0, 0, 0, 1}

// Row returns row i.
func (m Mat3) Row(i int) Vec3 { return Vec3{m[3*i], m[3*i+1], m[3*i+2]} }

// Col returns column j.
func (m Mat3) Col(j int) Vec3 { return Vec3{m[j], m[3+j], m[6+j]} }

// Rows builds the matrix with the given rows.
func Rows(a, b, c Vec3) Mat3 {
	return Mat3{a[0], a[1], a[2], b[0], b[1], b[2], c[0], c[1], c[2]}
}

// Mul returns the matrix product m n.
func (m Mat3) Mul(n Mat3) Mat3 {
	var r Mat3
	for i := range 3 {
		for j := range 3 {
			r[3*i+j] = m.Row(i).Dot(n.Col(j))
		}
	}
	return r
}

// T returns the transpose, which is the inverse of a rotation.
func (m Mat3) T() Mat3 { return Rows(m.Col(0), m.Col(1), m.Col(2)) }

// MulVec returns m v.
func (m Mat3) MulVec(v Vec3) Vec3 {
	return Vec3{m.Row(0).Dot(v), m.Row(1).Dot(v), m.Row(2).Dot(v)}
}

// RotX returns the rotation by angle radians about the x axis.
func RotX(angle float64) Mat3 {
	s, c := math.Sincos(angle)
	return Mat3{1, 0, 0, 0, c, -s, 0, s, c}
}

// RotY returns the rotation by angle radians about the y axis.
func RotY(angle float64) Mat3 {
	s, c := math.Sincos(angle)
	return Mat3{c, 0, s, 0, 1, 0, -s, 0, c}
}

// RotZ returns the rotation by angle radians about the z axis.
func RotZ(angle float64) Mat3 {
	s, c := math.Sincos(angle)
	return Mat3{c, -s, 0, s, c, 0, 0, 0, 1}
}
