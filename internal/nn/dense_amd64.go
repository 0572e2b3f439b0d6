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
	if whole < m { // too few for a quad
		denseAnywhere(y[whole:], w[whole*n:], x, rectify)
	}
}
