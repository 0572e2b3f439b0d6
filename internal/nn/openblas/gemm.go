//go:build openblas

package openblas

// #include "gemm.h"
import "C"

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/netlib/blas/netlib"
)

// implementation is OpenBLAS, but for the products of training steps on processors with AVX-512: a few hundred rows and
// columns, where packing and choosing cost OpenBLAS more than the arithmetic saves, and which releases before 0.3.22
// compute with half the width on AMD's.
type implementation struct{ netlib.Implementation }

var ownProducts = C.korr_gemm_runs() != 0

// Below minProduct multiplications the call counts; beyond maxSide OpenBLAS blocks for the outer caches.
const (
	minProduct = 1 << 12
	maxSide    = 1 << 10
)

// Sgemm computes C = alpha op(A) op(B) + beta C.
func (o implementation) Sgemm(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32,
	ldb int, beta float32, c []float32, ldc int,
) {
	if !ownProducts || alpha != 1 || m*n*k < minProduct || n > maxSide || k > 4*maxSide || !fits(ta, m, k, a, lda) ||
		!fits(tb, k, n, b, ldb) || !fits(blas.NoTrans, m, n, c, ldc) {
		o.Implementation.Sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	ai, al, bl, bj := lda, 1, ldb, 1
	if ta != blas.NoTrans {
		ai, al = 1, lda
	}
	if tb != blas.NoTrans {
		bl, bj = 1, ldb
	}
	C.korr_gemm(C.long(m), C.long(n), C.long(k), ptr(a), C.long(ai), C.long(al), ptr(b), C.long(bl), C.long(bj),
		C.float(beta), ptr(c), C.long(ldc))
}

// fits reports whether op(x) is [rows, cols] within its slice; OpenBLAS's binding panics about what does not.
func fits(t blas.Transpose, rows, cols int, x []float32, ld int) bool {
	if t != blas.NoTrans {
		rows, cols = cols, rows
	}
	return ld >= cols && len(x) >= (rows-1)*ld+cols
}
