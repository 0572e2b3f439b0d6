package nn

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

var configs = []MLPConfig{
	{In: 5, Out: 3, OutputBias: true, LastStd: 1},
	{In: 5, Hidden: []int{7}, Out: 2, LastStd: 1},
	{In: 6, Hidden: []int{9, 8}, Out: 1, LayerNorm: true, OutputBias: true, LastStd: 0.5, LastBias: 0.25},
	{In: 70, Hidden: []int{130, 65}, Out: 4, OutputBias: true, LastStd: 1}, // across tile borders
	{In: 70, Hidden: []int{130, 65}, Out: 4, LayerNorm: true, LastStd: 1},
}

func gaussian(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// reference is the network in float64, straight from its definition.
func reference(m *MLP, x []float32) []float64 {
	h := make([]float64, len(x))
	for i, v := range x {
		h[i] = float64(v)
	}
	for k, l := range m.layers {
		y := make([]float64, l.out)
		for i := range y {
			for j, v := range h {
				y[i] += v * float64(l.w.Data[i*l.in+j])
			}
			if l.b != nil {
				y[i] += float64(l.b.Data[i])
			}
		}
		if k == len(m.layers)-1 {
			return y
		}
		if m.cfg.LayerNorm {
			var mean, sq float64
			for _, v := range y {
				mean += v / float64(l.out)
			}
			for _, v := range y {
				sq += (v - mean) * (v - mean) / float64(l.out)
			}
			for i := range y {
				y[i] = (y[i] - mean) / math.Sqrt(sq+1e-5)
			}
		}
		for i := range y {
			y[i] = math.Max(y[i], 0)
		}
		h = y
	}
	return nil
}

func TestForwardMatchesDefinition(t *testing.T) {
	for k, cfg := range configs {
		rng := seed.Stream(1, "nn", uint64(k))
		m := NewMLP(cfg, rng)
		perturb(m, rng)
		const n = 67
		x := gaussian(rng, n*cfg.In)
		y := m.Forward(m.NewTape(n+3), x, n)
		e, one := m.Evaluator(), make([]float32, cfg.Out)
		for i := range n {
			want := reference(m, x[i*cfg.In:(i+1)*cfg.In])
			e.ForwardTo(one, x[i*cfg.In:(i+1)*cfg.In])
			for j, w := range want {
				if g := float64(y[i*cfg.Out+j]); math.Abs(g-w) > 2e-5*(1+math.Abs(w)) {
					t.Fatalf("config %d row %d: batch gives %g, want %g", k, i, g, w)
				}
				if g := float64(one[j]); math.Abs(g-w) > 2e-5*(1+math.Abs(w)) {
					t.Fatalf("config %d row %d: evaluator gives %g, want %g", k, i, g, w)
				}
			}
		}
	}
}

// perturb gives the biases values, which start at zero.
func perturb(m *MLP, rng *rand.Rand) {
	for _, l := range m.layers {
		if l.b != nil {
			copy(l.b.Data, gaussian(rng, l.out))
		}
	}
}

// The loss is sum(c y); its derivatives come from central differences of the
// float64 reference, so float32 rounding does not blur them and the steps can
// be too short to cross a ReLU's kink often (the seeds are fixed).
func TestGradientsMatchFiniteDifferences(t *testing.T) {
	for k, cfg := range configs {
		rng := seed.Stream(2, "nn", uint64(k))
		m := NewMLP(cfg, rng)
		perturb(m, rng)
		const n = 5
		x, c := gaussian(rng, n*cfg.In), gaussian(rng, n*cfg.Out)
		tape, dx := m.NewTape(n), make([]float32, n*cfg.In)
		m.Forward(tape, x, n)
		m.Backward(tape, c, dx)
		loss := func() float64 {
			var s float64
			for i := range n {
				for j, y := range reference(m, x[i*cfg.In:(i+1)*cfg.In]) {
					s += y * float64(c[i*cfg.Out+j])
				}
			}
			return s
		}
		for _, p := range m.params {
			checkGrad(t, fmt.Sprintf("config %d %s", k, p.Name), p.Data, p.Grad, loss, rng)
		}
		checkGrad(t, fmt.Sprintf("config %d input", k), x, dx, loss, rng)
	}
}

func checkGrad(t *testing.T, what string, x, grad []float32, loss func() float64, rng *rand.Rand) {
	t.Helper()
	var scale float64
	for _, g := range grad {
		scale = math.Max(scale, math.Abs(float64(g)))
	}
	for range min(len(x), 25) {
		i := rng.IntN(len(x))
		old := x[i]
		x[i] = old + 1e-5
		hi, up := x[i], loss()
		x[i] = old - 1e-5
		lo, down := x[i], loss()
		x[i] = old
		want := (up - down) / (float64(hi) - float64(lo))
		if d := math.Abs(float64(grad[i]) - want); d > 0.01*(scale+1e-3) {
			t.Errorf("%s[%d]: gradient %g, differences give %g", what, i, grad[i], want)
		}
	}
}

func TestBackwardAccumulatesAndInputDoesNot(t *testing.T) {
	rng := seed.Stream(3, "nn", 0)
	m := NewMLP(configs[2], rng)
	const n = 4
	x, c := gaussian(rng, n*6), gaussian(rng, n)
	tape, dx, dx2 := m.NewTape(n), make([]float32, n*6), make([]float32, n*6)
	keep := append([]float32(nil), c...)
	m.Forward(tape, x, n)
	m.Backward(tape, c, dx)
	once := append([]float32(nil), m.params[0].Grad...)
	m.BackwardInput(tape, c, dx2)
	for i := range dx {
		if dx[i] != dx2[i] {
			t.Fatalf("dx[%d]: %g and %g", i, dx[i], dx2[i])
		}
	}
	m.Backward(tape, c, nil)
	for i, g := range m.params[0].Grad {
		if math.Abs(float64(g-2*once[i])) > 1e-5 {
			t.Fatalf("gradient %d is %g after two passes, %g after one", i, g, once[i])
		}
	}
	for i := range c {
		if c[i] != keep[i] {
			t.Fatal("Backward changed dy")
		}
	}
	ZeroGrad(m.params)
	if GradNorm(m.params) != 0 {
		t.Error("ZeroGrad left a gradient")
	}
}

func TestInitialisation(t *testing.T) {
	m := NewMLP(MLPConfig{In: 200, Hidden: []int{300}, Out: 20, OutputBias: true, LastStd: 0.25, LastBias: 0.5},
		seed.Stream(4, "nn", 0))
	var sq float64
	for _, w := range m.params[0].Data {
		sq += float64(w) * float64(w)
	}
	if std := math.Sqrt(sq / float64(len(m.params[0].Data))); math.Abs(std-0.1) > 0.002 {
		t.Errorf("hidden std %g, want sqrt(2/200) = 0.1", std)
	}
	gram := make([]float32, 400)
	MatMulT(gram, m.params[2].Data, m.params[2].Data, 20, 300, 20, 0)
	for i, g := range gram {
		want := 0.0
		if i%21 == 0 {
			want = 0.0625
		}
		if math.Abs(float64(g)-want) > 1e-6 {
			t.Fatalf("W W^T[%d] = %g, want %g", i, g, want)
		}
	}
	if m.params[3].Data[7] != 0.5 || m.params[1].Data[7] != 0 {
		t.Error("biases are not 0.5 and 0")
	}
	tall := NewMLP(MLPConfig{In: 3, Out: 8, LastStd: 1}, seed.Stream(4, "nn", 1))
	MatTMul(gram[:9], tall.params[0].Data, tall.params[0].Data, 3, 8, 3, 0)
	if math.Abs(float64(gram[0])-1) > 1e-6 || math.Abs(float64(gram[1])) > 1e-6 {
		t.Errorf("tall W^T W = %v", gram[:9])
	}
	zero := NewMLP(MLPConfig{In: 3, Hidden: []int{4}, Out: 2}, seed.Stream(4, "nn", 2))
	out := []float32{1, 1}
	zero.Evaluator().ForwardTo(out, []float32{1, 2, 3})
	if out[0] != 0 || out[1] != 0 {
		t.Errorf("LastStd 0 gives %v", out)
	}
}

func TestReLUKeepsNaN(t *testing.T) {
	nan := float32(math.NaN())
	x := []float32{-1, nan, -nan, 2, float32(math.Inf(-1)), float32(math.Copysign(0, -1)), -3, 4, nan}
	kernels.ReLU(x)
	want := []float32{0, nan, nan, 2, 0, 0, 0, 4, nan}
	for i := range x {
		if x[i] != want[i] && !(math.IsNaN(float64(x[i])) && math.IsNaN(float64(want[i]))) {
			t.Errorf("relu[%d] = %g, want %g", i, x[i], want[i])
		}
	}
}

func TestSaveLoad(t *testing.T) {
	rng := seed.Stream(5, "nn", 0)
	a, b := NewMLP(configs[2], rng), NewMLP(configs[2], rng)
	f := &tensorfile.File{}
	SaveParams(f, "pi.", a.Params())
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := tensorfile.Write(path, f); err != nil {
		t.Fatal(err)
	}
	f, err := tensorfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := LoadParams(f, "pi.", b.Params()); err != nil {
		t.Fatal(err)
	}
	for i, p := range a.Params() {
		for j := range p.Data {
			if b.Params()[i].Data[j] != p.Data[j] {
				t.Fatalf("%s[%d] differs", p.Name, j)
			}
		}
	}
	before := b.Params()[0].Data[0]
	f.Tensors[0].F32[0] = before + 1
	f.Tensors[len(f.Tensors)-1].Shape = []int{1, 1}
	if err := LoadParams(f, "pi.", b.Params()); !errors.Is(err, tensorfile.ErrShape) {
		t.Errorf("mis-shaped: %v", err)
	}
	if b.Params()[0].Data[0] != before {
		t.Error("a failed load changed the network")
	}
	if err := LoadParams(f, "q.", b.Params()); !errors.Is(err, tensorfile.ErrMissing) {
		t.Errorf("missing: %v", err)
	}
}

func TestNothingAllocates(t *testing.T) {
	for k, cfg := range configs {
		rng := seed.Stream(6, "nn", uint64(k))
		m := NewMLP(cfg, rng)
		const n = 128
		x, c, dx := gaussian(rng, n*cfg.In), gaussian(rng, n*cfg.Out), make([]float32, n*cfg.In)
		tape, opt, target, e := m.NewTape(n), NewAdamW(m.Params(), AdamWConfig{LR: 1e-3}), m.Clone(), m.Evaluator()
		step := func() {
			m.Forward(tape, x, n)
			ZeroGrad(m.Params())
			m.Backward(tape, c, dx)
			ClipGradNorm(m.Params(), 1)
			opt.Step()
			Polyak(target.Params(), m.Params(), 0.01)
		}
		if a := testing.AllocsPerRun(5, step); a != 0 {
			t.Errorf("config %d: a training step allocates %g times", k, a)
		}
		y := make([]float32, cfg.Out)
		if a := testing.AllocsPerRun(100, func() { e.ForwardTo(y, x) }); a != 0 {
			t.Errorf("config %d: the evaluator allocates %g times", k, a)
		}
	}
}
