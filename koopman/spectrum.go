package koopman

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// SpectralRadius returns the largest absolute eigenvalue of A, computed in
// float64; NaN when A is not finite or the iteration does not converge.
func (m *Model) SpectralRadius() float64 {
	a, ok := denseOf(m.A.Data, m.cfg.LatentDim)
	if !ok {
		return math.NaN()
	}
	return radiusOf(a)
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

// Constrain brings the spectral radius of A to at most the configured bound, and
// returns the radius found before. Without a bound it only measures.
//
// It moves the eigenvalues beyond the bound onto it, along their own rays, and
// leaves the others alone: A - sum over them of (1 - bound/|l|) l v w^H / (w^H v)
// with right and left eigenvectors v and w. Scaling all of A instead would make
// slow modes, which carry what does not move, decay: by a quarter in 50 steps
// for a radius of 1.006. It scales only where that fails, an A whose offending
// modes are nearly parallel.
func (m *Model) Constrain() float64 {
	bound := m.cfg.SpectralBound
	a, ok := denseOf(m.A.Data, m.cfg.LatentDim)
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
			m.A.Data[i] = float32(v)
		}
		if m.SpectralRadius() <= bound {
			return radius
		}
	}
	if now := m.SpectralRadius(); now > bound {
		f := float32(limit / now)
		blas32.Scal(f, blas32.Vector{N: len(m.A.Data), Inc: 1, Data: m.A.Data})
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
