package koopman

import (
	"math"
	"math/cmplx"
	"slices"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// SpectralRadius returns the largest absolute eigenvalue of A, of a bilinear
// model that of A + N and A - N, computed in float64; NaN when a matrix is not
// finite or the iteration does not converge.
func (m *Model) SpectralRadius() float64 {
	if m.N == nil {
		return radius32(m.A.Data, m.cfg.LatentDim)
	}
	return math.Max(m.At(1).SpectralRadius(), m.At(-1).SpectralRadius()) // NaN if one is
}

func radius32(a []float32, n int) float64 {
	d, ok := denseOf(a, n)
	if !ok {
		return math.NaN()
	}
	return radiusOf(d)
}

// denseOf returns a [n, n] in float64; false when it is not finite.
func denseOf(a []float32, n int) (*mat.Dense, bool) {
	data := make([]float64, n*n)
	for i, x := range a {
		data[i] = float64(x)
		if x-x != 0 {
			return nil, false
		}
	}
	return mat.NewDense(n, n, data), true
}

// radiusOf returns the largest absolute eigenvalue of a; NaN when the
// iteration does not converge.
func radiusOf(a *mat.Dense) float64 {
	var eig mat.Eigen
	if !eig.Factorize(a, mat.EigenNone) {
		return math.NaN()
	}
	return largestOf(eig.Values(nil))
}

func largestOf(values []complex128) (radius float64) {
	for _, v := range values {
		radius = math.Max(radius, cmplx.Abs(v))
	}
	return radius
}

// boundMargin keeps what float32 rounds below the bound.
const boundMargin = 1e-5

// Constrain brings the spectral radius of A, of a bilinear model those of A + N
// and A - N, to at most the configured bound, and returns the radius found before.
// Without a bound it only measures.
func (m *Model) Constrain() float64 {
	l, bound := m.cfg.LatentDim, m.cfg.SpectralBound
	if m.N == nil {
		return constrain(m.A.Data, l, bound)
	}
	sum, difference := m.At(1).A.Data, m.At(-1).A.Data
	before := [2][]float32{slices.Clone(sum), slices.Clone(difference)}
	radius := math.Max(constrain(sum, l, bound), constrain(difference, l, bound))
	for i := range m.A.Data { // by the changes: rounding leaves what was within the bound alone
		p, q := sum[i]-before[0][i], difference[i]-before[1][i]
		m.A.Data[i] += (p + q) / 2
		m.N.Data[i] += (p - q) / 2
	}
	return radius
}

// constrain brings the spectral radius of data [n, n] to at most the bound, and
// returns the radius found before. Without a bound it only measures.
//
// It moves the eigenvalues beyond the bound onto it, along their own rays, and
// leaves the others alone: A - sum over them of (1 - bound/|l|) l v w^H / (w^H v)
// with right and left eigenvectors v and w. Scaling all of A instead would make
// slow modes, which carry what does not move, decay: by a quarter in 50 steps
// for a radius of 1.006. It scales only where that fails, an A whose offending
// modes are nearly parallel.
func constrain(data []float32, n int, bound float64) float64 {
	a, ok := denseOf(data, n)
	if !ok {
		return math.NaN()
	}
	radius := radiusOf(a)
	if bound <= 0 || !(radius > bound) {
		return radius
	}
	limit := bound * (1 - boundMargin)
	for range projections {
		if !deflate(a, limit) {
			break
		}
		for i, v := range a.RawMatrix().Data {
			data[i] = float32(v)
		}
		if radius32(data, n) <= bound {
			return radius
		}
	}
	if now := radius32(data, n); now > bound {
		f := float32(limit / now)
		blas32.Scal(f, blas32.Vector{N: len(data), Inc: 1, Data: data})
	}
	return radius
}

// projections bounds the repetitions of deflate, whose result rounding may leave
// a hair beyond the bound.
const projections = 3

// wellConditioned is the least |w^H v| of unit eigenvectors that deflate divides
// by.
const wellConditioned = 1e-4

// deflate moves the eigenvalues of a beyond the limit onto it. It reports false,
// and leaves a alone, when an offending mode is too badly conditioned.
func deflate(a *mat.Dense, limit float64) bool {
	var eig mat.Eigen
	if !eig.Factorize(a, mat.EigenBoth) {
		return false
	}
	n, _ := a.Dims()
	var right, left mat.CDense
	eig.VectorsTo(&right)
	eig.LeftVectorsTo(&left)
	change := make([]float64, n*n)
	for k, l := range eig.Values(nil) {
		size := cmplx.Abs(l)
		if size <= limit {
			continue
		}
		var overlap complex128 // w^H v
		for i := range n {
			overlap += cmplx.Conj(left.At(i, k)) * right.At(i, k)
		}
		if !(cmplx.Abs(overlap) > wellConditioned) {
			return false
		}
		c := complex(1-limit/size, 0) * l / overlap
		for i := range n {
			vi := c * right.At(i, k)
			for j := range n { // the conjugate of a complex mode cancels the imaginary part
				change[i*n+j] += real(vi * cmplx.Conj(left.At(j, k)))
			}
		}
	}
	data := a.RawMatrix().Data
	for i, d := range change {
		data[i] -= d
	}
	return true
}
