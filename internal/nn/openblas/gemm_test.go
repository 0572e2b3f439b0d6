//go:build openblas

package openblas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/netlib/blas/netlib"
)

// TestSgemmAgrees: every remainder of the tiles, all transpositions, parts of wider matrices, against gonum; nothing
// beyond the result is written, and with beta = 0 nothing is read of it.
func TestSgemmAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	fill := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	sizes := [][3]int{
		{128, 128, 146},
		{16, 10, 128},
		{33, 300, 257},
		{700, 40, 64},
		{128, 1, 128},
		{1, 128, 128},
		{16, 16, 16},
	}
	for range 60 {
		sizes = append(sizes, [3]int{1 + rng.IntN(40), 1 + rng.IntN(80), 1 + rng.IntN(600)})
	}
	for _, s := range sizes {
		m, n, k := s[0], s[1], s[2]
		for _, ta := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, tb := range []blas.Transpose{blas.NoTrans, blas.Trans} {
				for _, beta := range []float32{0, 1, 0.5} {
					pad := rng.IntN(5)
					lda, ldb, ldc := k+pad, n+pad, n+pad
					a, b := fill((m-1)*lda+k), fill((k-1)*ldb+n)
					if ta == blas.Trans {
						lda = m + pad
						a = fill((k-1)*lda + m)
					}
					if tb == blas.Trans {
						ldb = k + pad
						b = fill((n-1)*ldb + k)
					}
					got := fill((m-1)*ldc + n)
					want := append([]float32(nil), got...)
					gonum.Implementation{}.Sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, beta, want, ldc)
					if beta == 0 {
						for i := range got {
							if i%ldc < n {
								got[i] = float32(math.NaN())
							}
						}
					}
					implementation{}.Sgemm(ta, tb, m, n, k, 1, a, lda, b, ldb, beta, got, ldc)
					for i := range got {
						tolerance := 2e-6 * math.Sqrt(float64(k)) * 4
						if i%ldc >= n {
							tolerance = 0
						}
						if !(math.Abs(float64(got[i]-want[i])) <= tolerance) {
							t.Fatalf("%v %c %c beta %v: element %d is %v, want %v", s, ta, tb, beta, i, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

// processorTime is what this process has used, in nanoseconds: other work on the machine does not count.
func processorTime(b *testing.B) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkSgemm measures the products of a critic's update beside OpenBLAS's.
func BenchmarkSgemm(b *testing.B) {
	x := make([]float32, 1<<20)
	for i := range x {
		x[i] = float32(i%17) / 17
	}
	c := make([]float32, 1<<20)
	for _, s := range []struct {
		ta, tb  blas.Transpose
		m, n, k int
	}{
		{blas.NoTrans, blas.Trans, 128, 128, 146},
		{blas.NoTrans, blas.NoTrans, 128, 128, 128},
		{blas.Trans, blas.NoTrans, 128, 146, 128},
		{blas.NoTrans, blas.Trans, 2048, 256, 256},
		{blas.Trans, blas.NoTrans, 256, 256, 2048},
		{blas.NoTrans, blas.Trans, 32, 512, 512},
	} {
		lda, ldb := s.k, s.n
		if s.ta == blas.Trans {
			lda = s.m
		}
		if s.tb == blas.Trans {
			ldb = s.k
		}
		for name, f := range map[string]func(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, lda int,
			b []float32, ldb int, beta float32, c []float32, ldc int){
			"own": implementation{}.Sgemm, "openblas": netlib.Implementation{}.Sgemm,
		} {
			b.Run(fmt.Sprintf("%c%c/%dx%dx%d/%s", s.ta, s.tb, s.m, s.n, s.k, name), func(b *testing.B) {
				start := processorTime(b)
				for b.Loop() {
					f(s.ta, s.tb, s.m, s.n, s.k, 1, x, lda, x, ldb, 0, c, s.n)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/float64(processorTime(b)-start), "GFLOP/cpu-s")
			})
		}
	}
}
