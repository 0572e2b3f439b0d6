package filter

import (
	"math"

	"korr/internal/geom"
)

// dim is the width of a pose's error: position 3, rotation vector 3.
const dim = 6

// Cov is a covariance of a pose's error, row-major and symmetric: metres squared, radians squared and their products.
type Cov [dim * dim]float64

// Diagonal is the covariance of errors that are independent and alike in all directions, of the standard deviations
// position (m) and rotation (rad).
func Diagonal(position, rotation float64) (c Cov) {
	for i := range dim {
		s := position
		if i >= 3 {
			s = rotation
		}
		c[i*dim+i] = s * s
	}
	return c
}

// addScaled adds s times b.
func (c *Cov) addScaled(b *Cov, s float64) {
	for i, v := range b {
		c[i] += s * v
	}
}

// valid reports whether c is finite, symmetric and positive definite.
func (c *Cov) valid() bool {
	for i := range dim {
		for j := range i {
			if c[i*dim+j] != c[j*dim+i] {
				return false
			}
		}
	}
	var l Cov
	return c.choleskyTo(&l)
}

// choleskyTo writes L of c = L L^T into the lower triangle of l. It is false unless c is positive definite and finite.
func (c *Cov) choleskyTo(l *Cov) bool {
	for i := range dim {
		for j := range i + 1 {
			s := c[i*dim+j]
			for k := range j {
				s -= l[i*dim+k] * l[j*dim+k]
			}
			if i != j {
				l[i*dim+j] = s / l[j*dim+j]
				continue
			}
			if !(s > 0 && s <= math.MaxFloat64) {
				return false
			}
			l[i*dim+i] = math.Sqrt(s)
		}
	}
	return true
}

// solve replaces b by (L L^T)^-1 b for a lower triangle l.
func (l *Cov) solve(b *[dim]float64) {
	for i := range dim {
		s := b[i]
		for k := range i {
			s -= l[i*dim+k] * b[k]
		}
		b[i] = s / l[i*dim+i]
	}
	for i := dim - 1; i >= 0; i-- {
		s := b[i]
		for k := i + 1; k < dim; k++ {
			s -= l[k*dim+i] * b[k]
		}
		b[i] = s / l[i*dim+i]
	}
}

// factorTo writes the Cholesky factor L of a + b = L L^T to l. It is false where a + b is no covariance.
func factorTo(l, a, b *Cov) bool {
	sum := *a
	sum.addScaled(b, 1)
	return sum.choleskyTo(l)
}

// distance is the squared Mahalanobis distance e^T (L L^T)^-1 e.
func (l *Cov) distance(e *[dim]float64) float64 {
	x := *e
	l.solve(&x)
	var d float64
	for i, v := range x {
		d += v * e[i]
	}
	return d
}

// correct takes in an innovation e measured with noise r, given the factor l of c + r: it returns the correction K e
// and turns c = P into (1 - K) P.
func (c *Cov) correct(l, r *Cov, e *[dim]float64) (shift [dim]float64) {
	var k Cov
	for i := range dim { // row i of K solves S k = row i of P
		var row [dim]float64
		copy(row[:], c[i*dim:])
		l.solve(&row)
		copy(k[i*dim:], row[:])
		for j, v := range row {
			shift[i] += v * e[j]
		}
	}
	// K R K^T + (1-K) P (1-K)^T stays positive, but K R is the same thing: P - P S^-1 P = P S^-1 R.
	var p Cov
	for i := range dim {
		for j := range dim {
			var s float64
			for m := range dim {
				s += k[i*dim+m] * r[m*dim+j]
			}
			p[i*dim+j] = s
		}
	}
	for i := range dim {
		for j := range i + 1 {
			s := (p[i*dim+j] + p[j*dim+i]) / 2
			c[i*dim+j], c[j*dim+i] = s, s
		}
	}
	return shift
}

// deviation is the root mean square of the three diagonal entries from i on.
func (c *Cov) deviation(i int) float64 {
	return math.Sqrt(max(0, (c[i*dim+i]+c[(i+1)*dim+i+1]+c[(i+2)*dim+i+2])/3))
}

// between is the error of b as seen from a, in a's frame: b = moved(a, between(a, b)).
func between(a, b geom.Pose) (e [dim]float64) {
	inv := a.Q.Inv()
	d, phi := inv.Rotate(b.P.Sub(a.P)), inv.Mul(b.Q).RotVec()
	copy(e[:3], d[:])
	copy(e[3:], phi[:])
	return e
}

// moved is the pose a with the error e in its own frame.
func moved(a geom.Pose, e *[dim]float64) geom.Pose {
	return geom.Pose{
		P: a.P.Add(a.Q.Rotate(geom.Vec3{e[0], e[1], e[2]})),
		Q: a.Q.Mul(geom.RotVec(geom.Vec3{e[3], e[4], e[5]})).Normalize(),
	}
}

// part is the fraction s of the way from a to b.
func part(a, b geom.Pose, s float64) geom.Pose {
	e := between(a, b)
	for i := range e {
		e[i] *= s
	}
	return moved(a, &e)
}

// carry moves x by the motion that takes a to b.
func carry(x, a, b geom.Pose) geom.Pose {
	y := b.Mul(a.Inv().Mul(x))
	y.Q = y.Q.Normalize()
	return y
}

// finite reports whether every number of the pose is finite and its rotation is one.
func finite(a geom.Pose) bool {
	for _, v := range a.P {
		if !(math.Abs(v) <= 1e6) {
			return false
		}
	}
	n := a.Q.Dot(a.Q)
	return n > 0.5 && n < 2 // also false for NaN
}
