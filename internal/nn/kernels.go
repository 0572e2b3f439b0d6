package nn

import "math"

// Kernels are the element loops of a training step. The defaults are written
// in Go; the sub-package openblas replaces them by vectorised ones.
type Kernels struct {
	// ReLU sets every negative element of x to zero; NaN stays NaN.
	ReLU func(x []float32)
	// ReLUGrad sets g to zero where the activation y is zero.
	ReLUGrad func(g, y []float32)
	// NormReLU normalises every row of h [n, width] in place to mean 0 and
	// variance 1 (eps 1e-5), stores 1/std of each row in rstd [n] and the
	// positive part in y [n, width].
	NormReLU func(y, h, rstd []float32, width int)
	// NormReLUGrad turns the gradient g [n, width] of y into that of the input
	// of NormReLU, in place.
	NormReLUGrad func(g, h, rstd []float32, width int)
	// AddColumnSums adds the sums over the rows of x [n, width] to dst [width].
	AddColumnSums func(dst, x []float32)
	// AdamW applies one update to p from gradient g and moments m, v.
	AdamW func(p, g, m, v []float32, s AdamWStep)
	// Lerp sets dst = dst + t (src - dst).
	Lerp func(dst, src []float32, t float32)

	// Mul multiplies dst by src, element by element.
	Mul func(dst, src []float32)
	// Mish and SiLU are Activations.
	Mish, SiLU func(y, d, x []float32)
	// Affine sets every row of y to w x + b, element by element, for w, b [width].
	Affine func(y, x, w, b []float32)
	// AffineGrad adds the gradients of w and b to dw, db and multiplies the rows of g,
	// the gradient of Affine's y, by w.
	AffineGrad func(g, x, w, dw, db []float32)
	// GroupNorm normalises every group of channels of each sequence [rows, width] of x
	// in place and stores 1/std in rstd [sequences * groups].
	GroupNorm func(x, rstd []float32, rows, width int)
	// GroupNormGrad turns the gradient g of GroupNorm's result hat into that of its
	// input.
	GroupNormGrad func(g, hat, rstd []float32, rows, width int)
	// Fold adds the columns of a convolution to the sequences they belong to.
	Fold func(x, cols []float32, f Folding)
	// ThinProduct adds a b^T to dst for a [m, k] with few rows, b [n, k]; nil when the
	// general product is as good.
	ThinProduct func(dst, a, b []float32, m, k, n int)
}

// Folding describes the columns of a convolution: for each of N sequences x
// [Len, Width] there are Out rows [Taps * Width] of cols, and tap k of row t is
// row t Stride - Pad + k of x, or beyond an end and ignored.
type Folding struct{ N, Len, Out, Width, Taps, Stride, Pad int }

// AdamWStep holds the constants of one optimiser step:
// m = b1 m + (1-b1) g, v = b2 v + (1-b2) g^2, p = decay p - rate m / (sqrt(v) invRoot + eps).
type AdamWStep struct {
	// Beta1 and Beta2 are the decay rates of the moments.
	Beta1, Beta2 float32
	// Rate is the learning rate over the bias correction of m.
	Rate float32
	// InvRoot is one over the square root of the bias correction of v.
	InvRoot float32
	// Eps keeps the quotient finite.
	Eps float32
	// Decay is 1 - learning rate * weight decay.
	Decay float32
}

var kernels = Kernels{
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
}

// UseKernels replaces the element loops for the whole process. It is meant for
// the init function of a sub-package and is not safe beside running networks.
func UseKernels(k Kernels) { kernels = k }

// normEps is PyTorch's default epsilon of a layer norm.
const normEps = 1e-5

// relu is branch-free (max compiles to min/or instructions): with branches,
// which random activations make unpredictable, a step took 30 % longer.
func relu(x []float32) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}

// reluGrad builds a mask from the sign of -bits(y): y is never negative.
func reluGrad(g, y []float32) {
	y = y[:len(g)]
	for i, v := range g {
		mask := uint32(-int32(math.Float32bits(y[i])) >> 31)
		g[i] = math.Float32frombits(math.Float32bits(v) & mask)
	}
}

func normReLU(y, h, rstd []float32, width int) {
	for i := range rstd {
		row, out := h[i*width:(i+1)*width], y[i*width:(i+1)*width]
		mean := sum(row) / float32(width)
		var sq float32
		for j, v := range row {
			d := v - mean
			row[j] = d
			sq += d * d
		}
		r := float32(1 / math.Sqrt(float64(sq/float32(width))+normEps))
		rstd[i] = r
		for j, v := range row {
			v *= r
			row[j] = v
			out[j] = max(v, 0)
		}
	}
}

// normReLUGrad: with e = g masked by h > 0, the gradient of the row is
// rstd (e - mean(e) - h mean(e h)).
func normReLUGrad(g, h, rstd []float32, width int) {
	for i, r := range rstd {
		row, hat := g[i*width:(i+1)*width], h[i*width:(i+1)*width]
		var se, seh float32
		for j, v := range hat {
			mask := uint32(-int32(math.Float32bits(max(v, 0))) >> 31)
			e := math.Float32frombits(math.Float32bits(row[j]) & mask)
			row[j] = e
			se += e
			seh += e * v
		}
		se /= float32(width)
		seh /= float32(width)
		for j, v := range hat {
			row[j] = r * (row[j] - se - v*seh)
		}
	}
}

// sum adds in four chains, which hides the latency of the additions.
func sum(x []float32) float32 {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
	}
	for _, v := range x {
		a += v
	}
	return a + b + c + d
}

func addColumnSums(dst, x []float32) {
	for ; len(x) >= len(dst) && len(dst) > 0; x = x[len(dst):] {
		for j, v := range x[:len(dst)] {
			dst[j] += v
		}
	}
}

// flush, added and subtracted, rounds what is below about 1e-27 to zero and
// leaves what matters beside Eps alone. The moments of a dead unit would
// otherwise decay into subnormal numbers and stay there, and those compute many
// times slower.
const flush = float32(1e-20)

func adamW(p, g, m, v []float32, s AdamWStep) {
	g, m, v = g[:len(p)], m[:len(p)], v[:len(p)]
	for i, x := range p {
		gi := g[i]
		mi := m[i] + (1-s.Beta1)*(gi-m[i]) + flush - flush
		vi := s.Beta2*v[i] + (1-s.Beta2)*gi*gi + flush - flush
		m[i], v[i] = mi, vi
		p[i] = s.Decay*x - s.Rate*mi/(sqrt32(vi)*s.InvRoot+s.Eps)
	}
}

// sqrt32 compiles to the single-precision instruction.
func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func lerp(dst, src []float32, t float32) {
	src = src[:len(dst)]
	for i, d := range dst {
		dst[i] = d + t*(src[i]-d)
	}
}
