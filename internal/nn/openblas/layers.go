//go:build openblas

package openblas

// #include "layers.h"
import "C"

import "korr/internal/nn"

func mul(dst, src []float32) {
	src = src[:len(dst)]
	C.korr_mul(ptr(dst), ptr(src), C.long(len(dst)))
}

// derivative is where an activation writes its derivative when nobody wants it:
// over y, which is written afterwards.
func derivative(y, d []float32) []float32 {
	if d == nil {
		return y
	}
	return d[:len(y)]
}

func mish(y, d, x []float32) {
	y = y[:len(x)]
	C.korr_mish(ptr(y), ptr(derivative(y, d)), ptr(x), C.long(len(x)))
}

func silu(y, d, x []float32) {
	y = y[:len(x)]
	C.korr_silu(ptr(y), ptr(derivative(y, d)), ptr(x), C.long(len(x)))
}

func affine(y, x, w, b []float32) {
	y, b = y[:len(x)], b[:len(w)]
	C.korr_affine(ptr(y), ptr(x), ptr(w), ptr(b), C.long(len(x)/len(w)), C.long(len(w)))
}

func affineGrad(g, x, w, dw, db []float32) {
	x, dw, db = x[:len(g)], dw[:len(w)], db[:len(w)]
	C.korr_affine_grad(ptr(g), ptr(x), ptr(w), ptr(dw), ptr(db), C.long(len(g)/len(w)), C.long(len(w)))
}

func groupNorm(x, rstd []float32, rows, width int) {
	n := len(x) / (rows * width)
	C.korr_group_norm(ptr(x), ptr(rstd), C.long(n), C.long(rows), C.long(width), C.long(len(rstd)/n))
}

func groupNormGrad(g, hat, rstd []float32, rows, width int) {
	n := len(g) / (rows * width)
	hat = hat[:len(g)]
	C.korr_group_norm_grad(ptr(g), ptr(hat), ptr(rstd), C.long(n), C.long(rows), C.long(width), C.long(len(rstd)/n))
}

func fold(x, cols []float32, f nn.Folding) {
	x, cols = x[:f.N*f.Len*f.Width], cols[:f.N*f.Out*f.Taps*f.Width]
	C.korr_fold(ptr(x), ptr(cols), C.long(f.N), C.long(f.Len), C.long(f.Out), C.long(f.Width), C.long(f.Taps),
		C.long(f.Stride), C.long(f.Pad))
}

func thinProduct(dst, a, b []float32, m, k, n int) {
	dst, a, b = dst[:m*n], a[:m*k], b[:n*k]
	C.korr_thin_product(ptr(dst), ptr(a), ptr(b), C.long(m), C.long(k), C.long(n))
}
