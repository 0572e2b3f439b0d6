package koopman

import (
	"math"
	"math/cmplx"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

// SpectralRadius returns the largest absolute eigenvalue of A, computed in
// float64; NaN when A is not finite or the iteration does not converge.
func (m *Model) SpectralRadius() float64 { return spectralRadius(m.A.Data, m.cfg.LatentDim) }

func spectralRadius(a []float32, n int) float64 {
	data := make([]float64, n*n)
	for i, x := range a {
		data[i] = float64(x)
		if x-x != 0 {
			return math.NaN()
		}
	}
	return radiusOf(mat.NewDense(n, n, data))
}

// radiusOf returns the largest absolute eigenvalue of a; NaN when the
// iteration does not converge.
func radiusOf(a *mat.Dense) float64 {
	var eig mat.Eigen
	if !eig.Factorize(a, mat.EigenNone) {
		return math.NaN()
	}
	var radius float64
	for _, v := range eig.Values(nil) {
		radius = math.Max(radius, cmplx.Abs(v))
	}
	return radius
}

// Constrain scales A so that its spectral radius is at most the configured
// bound, and returns the radius found before. Without a bound it only measures.
func (m *Model) Constrain() float64 {
	radius, bound := m.SpectralRadius(), m.cfg.SpectralBound
	if bound > 0 && radius > bound {
		// A hair less than the bound: rounding to float32 must not exceed it.
		f := float32(bound / radius * (1 - 1e-5))
		blas32.Scal(f, blas32.Vector{N: len(m.A.Data), Inc: 1, Data: m.A.Data})
	}
	return radius
}
