package nn

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/seed"
)

// stack is a layer or several under a gradient check: n sequences in, n out.
type stack struct {
	params   []*Param
	in       int // values per sequence
	forward  func(x []float32, n int) []float32
	backward func(dy []float32) []float32
}

// stacks are one of each layer, of odd sizes.
func stacks(rng *rand.Rand) map[string]stack {
	const n = 3
	out := map[string]stack{}
	add := func(name string, make func(b *Builder) stack) {
		var b Builder
		s := make(&b)
		s.params = b.Build(rng)
		for _, p := range s.params { // no gradient may hide behind a zero
			for i := range p.Data {
				p.Data[i] += float32(0.3 * rng.NormFloat64())
			}
		}
		out[name] = s
	}
	var ws Workspace
	conv := func(length, in, width, kernel, stride, pad int) func(b *Builder) stack {
		return func(b *Builder) stack {
			p := NewConv1d(b, "conv", in, width, kernel, stride, pad).NewPass(n, length, &ws)
			return stack{in: length * in, forward: p.Forward, backward: p.Backward}
		}
	}
	add("conv", conv(7, 3, 5, 5, 1, 2))
	add("conv stride 2", conv(8, 4, 6, 3, 2, 1))
	add("conv of one tap", conv(6, 3, 7, 1, 1, 0))
	add("conv shorter than its kernel", conv(2, 3, 4, 5, 1, 2))
	add("transposed conv", func(b *Builder) stack {
		p := NewConvTranspose1d(b, "conv", 4, 3, 4, 2, 1).NewPass(n, 5, &ws)
		return stack{in: 20, forward: p.Forward, backward: p.Backward}
	})
	add("linear", func(b *Builder) stack {
		p := NewLinear(b, "linear", 5, 7).NewPass(n)
		return stack{in: 5, forward: p.Forward, backward: p.Backward}
	})
	add("group norm", func(b *Builder) stack {
		p := NewGroupNorm(b, "norm", 3, 12).NewPass(n, 5)
		return stack{in: 60, forward: p.Forward, backward: p.Backward}
	})
	add("layer norm", func(*Builder) stack {
		p := NewLayerNorm(9).NewPass(n, 1)
		return stack{in: 9, forward: p.Forward, backward: p.Backward}
	})
	for name, f := range map[string]Activation{"mish": Mish, "silu": SiLU} {
		add(name, func(*Builder) stack {
			p := f.NewPass(n * 37)
			return stack{
				in: 37, forward: func(x []float32, n int) []float32 { return p.Forward(x[:n*37]) },
				backward: p.Backward,
			}
		})
	}
	add("attention", func(b *Builder) stack {
		p := NewAttention(b, "attention", 6, 2).NewPass(n, 5)
		return stack{in: 30, forward: p.Forward, backward: p.Backward}
	})
	add("film", filmStack(n))
	return out
}

// filmStack lets the first 2 x 4 values of a sequence modulate the others.
func filmStack(n int) func(*Builder) stack {
	const rows, c = 5, 4
	const width = (2 + rows) * c
	f, x, e, dx := NewFiLM(n, rows, c), make([]float32, n*rows*c), make([]float32, n*2*c), make([]float32, n*width)
	return func(*Builder) stack {
		return stack{
			in: width,
			forward: func(in []float32, n int) []float32 {
				for i := range n {
					copy(e[i*2*c:(i+1)*2*c], in[i*width:])
					copy(x[i*rows*c:(i+1)*rows*c], in[i*width+2*c:])
				}
				return f.Forward(x, e, n)
			},
			backward: func(dy []float32) []float32 {
				gx, ge := f.Backward(dy)
				for i := range n {
					copy(dx[i*width:], ge[i*2*c:(i+1)*2*c])
					copy(dx[i*width+2*c:(i+1)*width], gx[i*rows*c:])
				}
				return dx
			},
		}
	}
}

// loss is a weighted sum of the outputs, in double precision.
func (s stack) loss(x, r []float32, n int) float64 {
	var sum float64
	for i, v := range s.forward(x, n) {
		sum += float64(v) * float64(r[i])
	}
	return sum
}

func TestLayerGradientsByFiniteDifferences(t *testing.T) {
	rng := seed.Stream(5, "layers", 0)
	for name, s := range stacks(rng) {
		const n = 3
		x := gaussian(rng, n*s.in)
		r := gaussian(rng, len(s.forward(x, n)))
		s.forward(x, n)
		dx := append([]float32(nil), s.backward(append([]float32(nil), r...))...)
		s.check(t, name+": input", x, dx, x, r)
		for _, p := range s.params {
			s.check(t, name+": "+p.Name, p.Data, p.Grad, x, r)
		}
	}
}

// check compares the gradient of values with central differences of fourth order.
func (s stack) check(t *testing.T, what string, values, grad, x, r []float32) {
	t.Helper()
	const h, n = 0.02, 3
	var worst, scale float64
	for i, v := range values {
		at := func(d float32) float64 {
			values[i] = v + d
			return s.loss(x, r, n)
		}
		want := (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * float64(float32(h)))
		values[i] = v
		worst, scale = math.Max(worst, math.Abs(want-float64(grad[i]))), math.Max(scale, math.Abs(want))
	}
	if !(worst <= 5e-4*math.Max(scale, 1)) || scale == 0 {
		t.Errorf("%s: gradient off by %.2g of %.2g", what, worst, scale)
	}
}

func TestLayersDoNotAllocate(t *testing.T) {
	rng := seed.Stream(6, "layers", 0)
	for name, s := range stacks(rng) {
		x := gaussian(rng, 3*s.in)
		s.backward(append([]float32(nil), s.forward(x, 3)...))
		dy := append([]float32(nil), s.forward(x, 3)...)
		if a := testing.AllocsPerRun(5, func() { s.forward(x, 1); s.forward(x, 3); s.backward(dy) }); a != 0 {
			t.Errorf("%s allocates %v times", name, a)
		}
	}
}

// TestBatchIsIndependentOfItsSize: row i of a batch is what the sequence alone gives.
func TestBatchIsIndependentOfItsSize(t *testing.T) {
	rng := seed.Stream(7, "layers", 0)
	for name, s := range stacks(rng) {
		x := gaussian(rng, 3*s.in)
		whole := append([]float32(nil), s.forward(x, 3)...)
		w := len(whole) / 3
		for i := range 3 {
			for j, v := range s.forward(x[i*s.in:(i+1)*s.in], 1) {
				if d := math.Abs(float64(v - whole[i*w+j])); !(d <= 1e-5*(1+math.Abs(float64(v)))) {
					t.Fatalf("%s: sequence %d, value %d: %v alone, %v in a batch", name, i, j, v, whole[i*w+j])
				}
			}
		}
	}
}

func TestThinProductMatches(t *testing.T) {
	if kernels.ThinProduct == nil {
		t.Skip("the pure Go build has none")
	}
	rng := seed.Stream(8, "layers", 0)
	for _, d := range [][3]int{{1, 5, 1}, {2, 33, 7}, {5, 17, 9}, {8, 320, 64}, {32, 100, 10}} {
		m, k, n := d[0], d[1], d[2]
		a, b, got := gaussian(rng, m*k), gaussian(rng, n*k), gaussian(rng, m*n)
		want := append([]float32(nil), got...)
		MatMulT(want, a, b, m, k, n, 1)
		kernels.ThinProduct(got, a, b, m, k, n)
		for i, v := range want {
			if d := math.Abs(float64(v - got[i])); d > 1e-4 {
				t.Fatalf("%v: element %d is %v, want %v", d, i, got[i], v)
			}
		}
	}
}

func TestActivationsMatchTheirDefinition(t *testing.T) {
	x := []float32{-1000, -100, -88, -50, -20, -3, -1, -1e-6, 0, 1e-6, 0.5, 2, 19.9, 20.1, 60, 100, 1e4}
	for i, v := range x {
		d := float64(v)
		want := map[string]float64{
			"mish": d * math.Tanh(math.Max(d, 0)+math.Log1p(math.Exp(-math.Abs(d)))),
			"silu": d / (1 + math.Exp(-d)),
		}
		for name, f := range map[string]Activation{"mish": Mish, "silu": SiLU} {
			y := append([]float32(nil), x...)
			f(y, nil, y)
			if diff := math.Abs(float64(y[i]) - want[name]); !(diff <= 2e-6*math.Max(math.Abs(want[name]), 1)) {
				t.Errorf("%s(%v) = %v, want %v", name, v, y[i], want[name])
			}
		}
	}
}

func TestEMAForgetsTheStartAndFollows(t *testing.T) {
	p := NewParams(Param{Name: "w", Shape: []int{1}})
	p[0].Data[0] = 100
	e := NewEMA(p, 0.75, 0.999)
	p[0].Data[0] = 1
	for range 3000 {
		e.Update(p)
	}
	if v := e.Params[0].Data[0]; math.Abs(float64(v)-1) > 0.01 {
		t.Errorf("the average is %v after 3000 updates to 1", v)
	}
}
