package nn

import (
	"math"
	"testing"

	"korr/internal/seed"
)

// TestDense compares every way of the product with sums in double precision, at all remainders of rows and columns.
func TestDense(t *testing.T) {
	ways := map[string]func(y, w, x []float32, rectify bool){"dense": dense, "anywhere": denseAnywhere}
	for name, product := range ways {
		for m := range 14 {
			for _, n := range []int{0, 1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 58, 129} {
				rng := seed.Stream(1, "dense", uint64(100*m+n))
				w, x, b := gaussian(rng, m*n), gaussian(rng, n), gaussian(rng, m)
				for _, rectify := range []bool{false, true} {
					y := append(append([]float32(nil), b...), 7) // one beyond the end
					product(y[:m], w, x, rectify)
					for i, bias := range b {
						want := float64(bias)
						for j, v := range x {
							want += float64(w[i*n+j]) * float64(v)
						}
						if rectify {
							want = max(want, 0)
						}
						if math.Abs(float64(y[i])-want) > 1e-5*(1+math.Sqrt(float64(n))) {
							t.Fatalf("%s: %d x %d, row %d: %g, want %g", name, m, n, i, y[i], want)
						}
					}
					if y[m] != 7 {
						t.Fatalf("%s: %d x %d: wrote beyond the end", name, m, n)
					}
				}
			}
		}
	}
}

func TestDenseKeepsNaN(t *testing.T) {
	w, x := make([]float32, 8*20), make([]float32, 20)
	w[3*20+17], x[17] = 1, float32(math.NaN())
	y := make([]float32, 8)
	Dense(y, w, nil, x, true)
	if y[3] == y[3] {
		t.Errorf("a NaN became %g", y[3])
	}
}

// TestMatVecAdds: beta 1 keeps what is there, beta 0 does not, not even NaN.
func TestMatVecAdds(t *testing.T) {
	a, x := []float32{1, 2, 3, 4, 5, 6}, []float32{1, 1, 1}
	dst := []float32{10, 20}
	MatVec(dst, a, x, 2, 3, 1)
	if dst[0] != 16 || dst[1] != 35 {
		t.Errorf("%v", dst)
	}
	dst[0] = float32(math.NaN())
	MatVec(dst, a, x, 2, 3, 0)
	if dst[0] != 6 || dst[1] != 15 {
		t.Errorf("%v", dst)
	}
}
