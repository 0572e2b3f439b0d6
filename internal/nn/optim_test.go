package nn

import (
	"math"
	"testing"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func TestSpansMergeOneSlab(t *testing.T) {
	m := NewMLP(configs[2], nil)
	if s := spans(m.Params()); len(s) != 1 || len(s[0].data) != 6*9+9+9*8+8+8+1 {
		t.Errorf("%d spans, first of %d", len(s), len(s[0].data))
	}
	other := NewMLP(configs[0], nil)
	mixed := append(append([]*Param{}, m.Params()[1:]...), other.Params()...)
	if s := spans(mixed); len(s) != 2 {
		t.Errorf("two slabs give %d spans", len(s))
	}
	if s := spans([]*Param{m.Params()[1], m.Params()[0]}); len(s) != 2 {
		t.Errorf("the wrong order merged into %d", len(s))
	}
}

func TestAdamWMatchesDefinition(t *testing.T) {
	rng := seed.Stream(7, "nn", 0)
	ps := NewParams(Param{Name: "a", Shape: []int{37}}, Param{Name: "b", Shape: []int{2, 2}})
	copy(ps[0].Data, gaussian(rng, 37))
	cfg := AdamWConfig{LR: 0.01, Beta1: 0.8, Beta2: 0.95, Eps: 1e-5, WeightDecay: 0.1}
	opt := NewAdamW(ps, cfg)
	p, m, v := float64(ps[0].Data[36]), 0.0, 0.0
	lr, b1, b2 := 0.01, 0.8, 0.95
	for step := 1; step <= 20; step++ {
		copy(ps[0].Grad, gaussian(rng, 37))
		g := float64(ps[0].Grad[36])
		opt.Step()
		p -= lr * 0.1 * p
		m = b1*m + (1-b1)*g
		v = b2*v + (1-b2)*g*g
		mh, vh := m/(1-math.Pow(b1, float64(step))), v/(1-math.Pow(b2, float64(step)))
		p -= lr * mh / (math.Sqrt(vh) + 1e-5)
		if d := math.Abs(float64(ps[0].Data[36]) - p); d > 1e-5 {
			t.Fatalf("step %d: off by %g", step, d)
		}
	}
}

func TestAdamWStateResumes(t *testing.T) {
	run := func(interrupt bool) []float32 {
		rng := seed.Stream(8, "nn", 0)
		m := NewMLP(configs[1], rng)
		opt := NewAdamW(m.Params(), AdamWConfig{LR: 1e-2})
		for step := range 6 {
			if interrupt && step == 3 {
				f := &tensorfile.File{}
				opt.SaveState(f, "opt.")
				opt = NewAdamW(m.Params(), AdamWConfig{LR: 1e-2})
				if err := opt.LoadState(f, "opt."); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range m.Params() {
				copy(p.Grad, gaussian(rng, len(p.Grad)))
			}
			opt.Step()
		}
		return m.Params()[0].Data
	}
	a, b := run(false), run(true)
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("weight %d: %g uninterrupted, %g resumed", i, a[i], b[i])
		}
	}
	if err := NewAdamW(NewMLP(configs[0], nil).Params(), AdamWConfig{}).LoadState(&tensorfile.File{}, "x"); err == nil {
		t.Error("loaded a state that is not there")
	}
}

func TestClipAndPolyak(t *testing.T) {
	ps := NewParams(Param{Name: "a", Shape: []int{1}}, Param{Name: "b", Shape: []int{1}})
	ps[0].Grad[0], ps[1].Grad[0] = 3, 4
	if n := ClipGradNorm(ps, 10); n != 5 || ps[0].Grad[0] != 3 {
		t.Errorf("norm %g, gradient %g; want 5 and 3 unclipped", n, ps[0].Grad[0])
	}
	if n := ClipGradNorm(ps, 1); n != 5 || math.Abs(float64(ps[1].Grad[0])-0.8) > 1e-6 {
		t.Errorf("norm %g, gradient %g; want 5 and 0.8", n, ps[1].Grad[0])
	}
	src := NewParams(Param{Name: "a", Shape: []int{1}}, Param{Name: "b", Shape: []int{1}})
	src[0].Data[0] = 1
	ps[1].Data[0] = 1
	Polyak(ps, src, 0.25)
	if ps[0].Data[0] != 0.25 || ps[1].Data[0] != 0.75 {
		t.Errorf("Polyak gives %g and %g, want 0.25 and 0.75", ps[0].Data[0], ps[1].Data[0])
	}
	CopyParams(ps, src)
	if ps[0].Data[0] != 1 || ps[1].Data[0] != 0 {
		t.Error("CopyParams did not copy")
	}
}

// A small regression must be learnt: everything together, downhill.
func TestTrainingLearns(t *testing.T) {
	for _, ln := range []bool{false, true} {
		rng := seed.Stream(9, "nn", 0)
		m := NewMLP(MLPConfig{In: 2, Hidden: []int{32, 32}, Out: 1, LayerNorm: ln, OutputBias: true, LastStd: 0.1}, rng)
		opt, tape := NewAdamW(m.Params(), AdamWConfig{LR: 3e-3}), m.NewTape(64)
		x, dy := make([]float32, 128), make([]float32, 64)
		var loss float64
		for range 800 {
			loss = 0
			for i := range x {
				x[i] = 2*rng.Float32() - 1
			}
			y := m.Forward(tape, x, 64)
			for i := range dy {
				d := y[i] - x[2*i]*x[2*i+1]
				loss += float64(d*d) / 64
				dy[i] = 2 * d / 64
			}
			ZeroGrad(m.Params())
			m.Backward(tape, dy, nil)
			opt.Step()
		}
		if loss > 2e-3 { // the target's variance is 0.11
			t.Errorf("layer norm %v: loss %g after training", ln, loss)
		}
	}
}
