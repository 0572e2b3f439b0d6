package nn

import (
	"math"

	"golang.org/x/sys/cpu"
)

// fused tells whether quads runs here.
var fused = cpu.X86.HasAVX2 && cpu.X86.HasFMA

//go:noescape
func quads(y, w, x *float32, quads, n int, floor float32)

// dense adds w x to y, for w [len(y), len(x)], and takes the positive part if asked to. A product with one vector is a
// matter of reading the weights: four rows at a time and eight numbers at once leave nothing else to wait for.
func dense(y, w, x []float32, rectify bool) {
	m, n := len(y), len(x)
	if !fused || n == 0 {
		denseAnywhere(y, w, x, rectify)
		return
	}
	floor := float32(math.Inf(-1))
	if rectify {
		floor = 0
	}
	w = w[:m*n]
	whole := m &^ 3
	if whole > 0 {
		quads(&y[0], &w[0], &x[0], m/4, n, floor)
	}
	for i := whole; i < m; i++ { // too few for a quad
		y[i] = max(floor, y[i]+dot(w[i*n:(i+1)*n], x))
	}
}

// dot sums in four chains. Unlike gonum's, its result does not depend on where in memory the numbers lie.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	for ; len(a) >= 4 && len(b) >= 4; a, b = a[4:], b[4:] {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
	}
	for i, v := range a {
		s0 += v * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}
