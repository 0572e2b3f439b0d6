//go:build openblas

package openblas

/*
#cgo CFLAGS: -O3 -fopenmp-simd
#cgo LDFLAGS: -lopenblas -lm
#include "kernels.h"

void openblas_set_num_threads(int n);
*/
import "C"

import (
	"unsafe"

	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/netlib/blas/netlib"

	"korr/internal/nn"
)

// One thread: batches are small, and the callers own the parallelism.
func init() {
	C.openblas_set_num_threads(1)
	blas32.Use(implementation{})
	blas64.Use(netlib.Implementation{})
	nn.UseKernels(nn.Kernels{
		ReLU:          relu,
		ReLUGrad:      reluGrad,
		NormReLU:      normReLU,
		NormReLUGrad:  normReLUGrad,
		AddColumnSums: addColumnSums,
		AdamW:         adamW,
		Lerp:          lerp,
		Mul:           mul,
		Mish:          mish,
		SiLU:          silu,
		Affine:        affine,
		AffineGrad:    affineGrad,
		GroupNorm:     groupNorm,
		GroupNormGrad: groupNormGrad,
		Fold:          fold,
		ThinProduct:   thinProduct,
	})
}

func ptr(x []float32) *C.float { return (*C.float)(unsafe.SliceData(x)) }

func relu(x []float32) { C.korr_relu(ptr(x), C.long(len(x))) }

func reluGrad(g, y []float32) {
	y = y[:len(g)]
	C.korr_relu_grad(ptr(g), ptr(y), C.long(len(g)))
}

func normReLU(y, h, rstd []float32, width int) {
	n := len(rstd)
	y, h = y[:n*width], h[:n*width]
	C.korr_norm_relu(ptr(y), ptr(h), ptr(rstd), C.long(n), C.long(width))
}

func normReLUGrad(g, h, rstd []float32, width int) {
	n := len(rstd)
	g, h = g[:n*width], h[:n*width]
	C.korr_norm_relu_grad(ptr(g), ptr(h), ptr(rstd), C.long(n), C.long(width))
}

func addColumnSums(dst, x []float32) {
	if len(dst) == 0 {
		return
	}
	C.korr_add_column_sums(ptr(dst), ptr(x), C.long(len(x)/len(dst)), C.long(len(dst)))
}

func adamW(p, g, m, v []float32, s nn.AdamWStep) {
	n := len(p)
	g, m, v = g[:n], m[:n], v[:n]
	C.korr_adamw(ptr(p), ptr(g), ptr(m), ptr(v), C.long(n), C.float(s.Beta1), C.float(s.Beta2),
		C.float(s.Rate), C.float(s.InvRoot), C.float(s.Eps), C.float(s.Decay))
}

func lerp(dst, src []float32, t float32) {
	src = src[:len(dst)]
	C.korr_lerp(ptr(dst), ptr(src), C.long(len(dst)), C.float(t))
}
