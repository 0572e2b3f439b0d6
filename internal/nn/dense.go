package nn

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// MatVec computes dst = a x + beta dst for a [m, n], x [n], dst [m], beta 0 or 1.
func MatVec(dst, a, x []float32, m, n int, beta float32) {
	dst = dst[:m]
	if beta == 0 {
		clear(dst)
	}
	dense(dst, a, x[:n], false)
}

// Dense computes dst = w x + b for w [len(dst), len(x)]; b nil means zero. rectify takes the positive part.
func Dense(dst, w, b, x []float32, rectify bool) {
	if b == nil {
		clear(dst)
	} else {
		copy(dst, b[:len(dst)])
	}
	dense(dst, w, x, rectify)
}

// denseAnywhere is dense by way of blas32.
func denseAnywhere(y, w, x []float32, rectify bool) {
	if m, n := len(y), len(x); n > 0 {
		blas32.Implementation().Sgemv(blas.NoTrans, m, n, 1, w, n, x, 1, 1, y, 1)
	}
	if rectify {
		kernels.ReLU(y)
	}
}
