package nn

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/gonum"
)

// MatMul computes dst = a b + beta dst for a [m, k], b [k, n], dst [m, n].
func MatMul(dst, a, b []float32, m, k, n int, beta float32) {
	gemm(blas.NoTrans, blas.NoTrans, m, n, k, a, k, b, n, beta, dst)
}

// MatMulT computes dst = a b^T + beta dst for a [m, k], b [n, k], dst [m, n].
func MatMulT(dst, a, b []float32, m, k, n int, beta float32) {
	gemm(blas.NoTrans, blas.Trans, m, n, k, a, k, b, k, beta, dst)
}

// MatTMul computes dst = a^T b + beta dst for a [k, m], b [k, n], dst [m, n].
func MatTMul(dst, a, b []float32, m, k, n int, beta float32) {
	gemm(blas.Trans, blas.NoTrans, m, n, k, a, m, b, n, beta, dst)
}

// tile is the block size of gonum's own products. Smaller calls stay serial;
// larger ones start goroutines, which allocate and cost more than they give at
// our sizes.
const tile = 64

func gemm(ta, tb blas.Transpose, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32) {
	impl := blas32.Implementation()
	if _, pure := impl.(gonum.Implementation); !pure {
		impl.Sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, beta, c, n)
		return
	}
	for i := 0; i < m; i += tile {
		at := a[i:] // row i of a, or column i of its transpose
		if ta == blas.NoTrans {
			at = a[i*lda:]
		}
		mi := min(tile, m-i)
		for j := 0; j < n; j += tile {
			bt := b[j:]
			if tb == blas.Trans {
				bt = b[j*ldb:]
			}
			impl.Sgemm(ta, tb, mi, min(tile, n-j), k, 1, at, lda, bt, ldb, beta, c[i*n+j:], n)
		}
	}
}

// strided computes c = alpha op(a) op(b) + beta c, [m, n], for matrices that are
// parts of wider ones. It is for small sizes: with gonum's own products larger
// ones start goroutines.
func strided(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int,
	beta float32, c []float32, ldc int,
) {
	blas32.Implementation().Sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}
