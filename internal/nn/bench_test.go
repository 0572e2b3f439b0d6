package nn

import (
	"testing"

	"korr/internal/seed"
)

// BenchmarkStep measures the products and loops of one critic update on a
// batch of 128: 100 -> 128 -> 128 -> 1.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		name string
		ln   bool
	}{{"relu", false}, {"layernorm", true}} {
		rng := seed.Stream(1, "bench", 0)
		m := NewMLP(MLPConfig{In: 100, Hidden: []int{128, 128}, Out: 1, OutputBias: true, LayerNorm: c.ln, LastStd: 0.1}, rng)
		const n = 128
		x, dy := gaussian(rng, n*100), gaussian(rng, n)
		dx := make([]float32, n*100)
		tape, opt, target := m.NewTape(n), NewAdamW(m.Params(), AdamWConfig{LR: 1e-4}), m.Clone()
		b.Run(c.name+"/forward", func(b *testing.B) {
			for b.Loop() {
				m.Forward(tape, x, n)
			}
		})
		b.Run(c.name+"/forward+backward", func(b *testing.B) {
			for b.Loop() {
				m.Forward(tape, x, n)
				m.Backward(tape, dy, nil)
			}
		})
		b.Run(c.name+"/forward+input", func(b *testing.B) {
			for b.Loop() {
				m.Forward(tape, x, n)
				m.BackwardInput(tape, dy, dx)
			}
		})
		b.Run(c.name+"/whole", func(b *testing.B) {
			for b.Loop() {
				m.Forward(tape, x, n)
				ZeroGrad(m.Params())
				m.Backward(tape, dy, nil)
				ClipGradNorm(m.Params(), 1)
				opt.Step()
				Polyak(target.Params(), m.Params(), 0.01)
			}
		})
	}
}

func BenchmarkEvaluator(b *testing.B) {
	m := NewMLP(MLPConfig{In: 128, Hidden: []int{256, 256}, Out: 10, LastStd: 0.1}, seed.Stream(1, "bench", 1))
	e, x, y := m.Evaluator(), make([]float32, 128), make([]float32, 10)
	for b.Loop() {
		e.ForwardTo(y, x)
	}
}

func BenchmarkKernels(b *testing.B) {
	rng := seed.Stream(1, "bench", 2)
	const n, w = 128, 128
	x, y, z, r := gaussian(rng, n*w), gaussian(rng, n*w), gaussian(rng, n*w), make([]float32, n)
	v := make([]float32, n*w)
	b.Run("relu", func(b *testing.B) {
		for b.Loop() {
			kernels.ReLU(x)
		}
	})
	b.Run("relu grad", func(b *testing.B) {
		for b.Loop() {
			kernels.ReLUGrad(y, x)
		}
	})
	b.Run("norm", func(b *testing.B) {
		for b.Loop() {
			kernels.NormReLU(y, z, r, w)
		}
	})
	b.Run("norm grad", func(b *testing.B) {
		for b.Loop() {
			kernels.NormReLUGrad(y, z, r, w)
		}
	})
	y, v = gaussian(rng, n*w), make([]float32, n*w)
	b.Run("adamw", func(b *testing.B) {
		s := AdamWStep{Beta1: 0.9, Beta2: 0.999, Rate: 1e-9, InvRoot: 1, Eps: 1e-8, Decay: 1}
		for b.Loop() {
			kernels.AdamW(x, y, z, v, s)
		}
	})
	b.Run("column sums", func(b *testing.B) {
		for b.Loop() {
			kernels.AddColumnSums(r, x)
		}
	})
	b.Run("lerp", func(b *testing.B) {
		for b.Loop() {
			kernels.Lerp(x, y, 0.01)
		}
	})
}
