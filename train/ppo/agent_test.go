package ppo

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
)

var wide = Dims{Obs: 6, X: 14, Act: 3} // more than [o, u_b], as the project's own inputs are

const rowsInTests = 40

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func network(rng *rand.Rand, in, out int, bias bool) *nn.MLP {
	return nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{16, 12}, Out: out, OutputBias: bias, LastStd: 0.7}, rng)
}

// newTestActor makes an actor of each kind; the models' own parameters come back too.
func newTestActor(t *testing.T, kind string, rows int) (Actor, []*nn.Param) {
	t.Helper()
	rng := seed.Stream(5, kind, 0)
	var a Actor
	var model []*nn.Param
	var err error
	switch kind {
	case "resip":
		a, err = NewResiP(network(rng, wide.X, wide.Act, false), wide, rows, nil)
	case "dynamics":
		f := network(rng, wide.Obs+wide.Act, wide.Obs, false)
		a, err = NewDynamics(f, network(rng, wide.Obs, wide.Act, false), wide, rows)
		model = f.Params()
	default:
		var opts KORROptions
		l, in := 10, 10
		switch kind {
		case "korr goal", "korr inclusive goal":
			opts.Goal, in = normal(rng, wide.Obs), 20
		case "korr stop":
			opts.StopGradient = true
		}
		m, kerr := koopman.New(koopman.Config{
			ObsDim: wide.Obs, ActDim: wide.Act, LatentDim: l, Hidden: []int{8},
			StateInclusive: kind == "korr inclusive goal", SpectralBound: -1,
		}, rng)
		if kerr != nil {
			t.Fatal(kerr)
		}
		copy(m.B.Data, normal(rng, len(m.B.Data)))
		a, err = NewKORR(m, network(rng, in, wide.Act, false), wide, rows, opts)
		model = m.Params()
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, model
}

func newTestAgent(t *testing.T, cfg *Config, kind string, rows int) (*Agent, []*nn.Param) {
	t.Helper()
	actor, model := newTestActor(t, kind, rows)
	a, err := NewAgent(cfg, actor, network(seed.Stream(6, kind, 0), wide.X, 1, true), []float32{-0.3, 0, 0.2}, wide, rows)
	if err != nil {
		t.Fatal(err)
	}
	return a, model
}

// testBatch samples residuals from the agent, then moves the old density a little. Fewer pairs than steps.
func testBatch(a *Agent) *Batch {
	rng := seed.Stream(7, "batch", 0)
	n, pairs := rowsInTests, rowsInTests-7
	b := &Batch{N: n, X: normal(rng, n*wide.X), Advantage: normal(rng, n), Return: normal(rng, n), Pairs: Pairs{
		N: pairs, Obs: normal(rng, pairs*wide.Obs), U: normal(rng, pairs*wide.Act), Next: normal(rng, pairs*wide.Obs),
	}}
	for i := 0; i < n; i += a.rows {
		j := min(i+a.rows, n)
		mean := a.Actor.Forward(b.X[i*wide.X:j*wide.X], j-i)
		for ; len(mean) > 0; mean = mean[wide.Act:] {
			r := make([]float32, wide.Act)
			for k := range r {
				r[k] = mean[k] + float32(math.Exp(float64(a.LogStd[k]))*rng.NormFloat64())
			}
			b.Residual = append(b.Residual, r...)
			b.LogProb = append(b.LogProb, float32(LogProb(r, mean[:wide.Act], a.LogStd)+0.15*rng.NormFloat64()))
		}
	}
	return b
}

var kinds = []string{"resip", "dynamics", "korr", "korr goal", "korr inclusive goal", "korr stop"}

// TestGradientsMatchDifferences moves every parameter array along its own gradient: the loss must rise by |g|^2 per
// unit.
func TestGradientsMatchDifferences(t *testing.T) {
	for _, kind := range kinds {
		cfg := DefaultConfig()
		cfg.VFCoef, cfg.ModelCoef = 0.7, 1.3
		a, model := newTestAgent(t, &cfg, kind, rowsInTests)
		b := testBatch(a)
		l := a.Gradients(b)
		if l.ClipFraction == 0 || l.ClipFraction == 1 {
			t.Fatalf("%s: clip fraction %g tests one branch only", kind, l.ClipFraction)
		}
		loss := func() float64 { return a.Gradients(b).Total }
		if kind == "korr stop" { // the model's gradient is that of its own loss
			loss = func() float64 { l := a.Gradients(b); return cfg.ModelCoef * l.Model }
		}
		checked := a.params
		if kind == "korr stop" {
			checked = model
		}
		for i, p := range checked {
			loss() // leaves the gradients
			directional(t, fmt.Sprintf("%s %d %s", kind, i, p.Name), p, loss)
		}
	}
}

func directional(t *testing.T, what string, p *nn.Param, loss func() float64) {
	t.Helper()
	g, square := append([]float32(nil), p.Grad...), 0.0
	for _, v := range g {
		square += float64(v) * float64(v)
	}
	if square == 0 {
		t.Errorf("%s: no gradient", what)
		return
	}
	old := append([]float32(nil), p.Data...)
	h := 1e-3 / math.Sqrt(square)
	move := func(by float64) float64 {
		for i, v := range g {
			p.Data[i] = old[i] + float32(by*float64(v))
		}
		return loss()
	}
	if got := (move(h) - move(-h)) / (2 * h); math.Abs(got-square) > 0.02*square+2e-4*math.Sqrt(square) {
		t.Errorf("%s: the loss rises by %g, the gradient says %g", what, got, square)
	}
	copy(p.Data, old)
}

// TestBlocksAddUp: working through a batch in blocks gives the same losses and gradients.
func TestBlocksAddUp(t *testing.T) {
	for _, kind := range kinds {
		cfg := DefaultConfig()
		whole, _ := newTestAgent(t, &cfg, kind, rowsInTests)
		blocks, _ := newTestAgent(t, &cfg, kind, 9)
		b := testBatch(whole)
		lw, lb := whole.Gradients(b), blocks.Gradients(b)
		if math.Abs(lw.Total-lb.Total) > 1e-5 || math.Abs(lw.ApproxKL-lb.ApproxKL) > 1e-6 ||
			lw.Model != 0 == (kind == "resip") {
			t.Errorf("%s: %+v and %+v", kind, lw, lb)
		}
		for i, p := range whole.params {
			for k, g := range p.Grad {
				if d := math.Abs(float64(g - blocks.params[i].Grad[k])); d > 2e-5 {
					t.Fatalf("%s: gradient of %s[%d] off by %g", kind, p.Name, k, d)
				}
			}
		}
	}
}

func TestStopGradientKeepsThePolicyOut(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ModelCoef = 0
	a, model := newTestAgent(t, &cfg, "korr stop", rowsInTests)
	a.Gradients(testBatch(a))
	if nn.GradNorm(model) != 0 {
		t.Error("the policy's gradient reached the model")
	}
	a, model = newTestAgent(t, &cfg, "korr", rowsInTests)
	a.Gradients(testBatch(a))
	for _, p := range model {
		if nn.GradNorm([]*nn.Param{p}) == 0 {
			t.Errorf("no gradient reached %s", p.Name)
		}
	}
}

func TestUpdateImprovesAndClips(t *testing.T) {
	cfg := DefaultConfig()
	a, _ := newTestAgent(t, &cfg, "korr", rowsInTests)
	b := testBatch(a)
	first, err := a.Update(b)
	if err != nil {
		t.Fatal(err)
	}
	if first.GradNorm <= 1 || math.Abs(float64(nn.GradNorm(a.params))-1) > 1e-4 {
		t.Errorf("norm %g before clipping, %g after", first.GradNorm, nn.GradNorm(a.params))
	}
	for range 30 {
		if _, err := a.Update(b); err != nil {
			t.Fatal(err)
		}
	}
	if l := a.Gradients(b); l.Policy >= first.Policy || l.Value >= first.Value || l.Model >= first.Model {
		t.Errorf("from %+v to %+v", first, l)
	}
	a.SetRates(0, 0)
	before := append([]float32(nil), a.params[0].Data...)
	if _, err := a.Update(b); err != nil {
		t.Fatal(err)
	}
	for i, v := range a.params[0].Data {
		if v != before[i] {
			t.Fatal("a rate of zero moved a weight")
		}
	}
}

func TestDivergedBatchChangesNothing(t *testing.T) {
	cfg := DefaultConfig()
	a, _ := newTestAgent(t, &cfg, "dynamics", rowsInTests)
	b := testBatch(a)
	before := append([]float32(nil), a.params[0].Data...)
	for _, spoil := range []func(){
		func() { b.Return[3] = float32(math.NaN()) },
		func() { b.Return[3] = float32(math.Inf(1)) }, func() { b.Return[3] = 1e30 },
	} {
		spoil()
		if _, err := a.Update(b); !errors.Is(err, ErrDiverged) {
			t.Errorf("error %v", err)
		}
	}
	for i, v := range a.params[0].Data {
		if v != before[i] {
			t.Fatal("weights changed")
		}
	}
}

func TestNewRefusesWidths(t *testing.T) {
	cfg := DefaultConfig()
	good, _ := newTestActor(t, "resip", 4)
	m, err := koopman.New(koopman.Config{ObsDim: 6, ActDim: 3, LatentDim: 8, Hidden: []int{4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, e1 := NewResiP(network(nil, 13, 3, false), wide, 4, nil)
	_, e2 := NewDynamics(network(nil, 9, 5, false), network(nil, 6, 3, false), wide, 4)
	_, e3 := NewDynamics(network(nil, 9, 6, false), network(nil, 5, 3, false), wide, 4)
	_, e4 := NewKORR(m, network(nil, 16, 3, false), wide, 4, KORROptions{})
	_, e5 := NewKORR(m, network(nil, 16, 3, false), wide, 4, KORROptions{Goal: make([]float32, 5)})
	_, e6 := NewKORR(m, network(nil, 8, 3, false), Dims{Obs: 5, X: 8, Act: 3}, 4, KORROptions{})
	switched, err := koopman.New(koopman.Config{ObsDim: 6, ActDim: 3, LatentDim: 8, Hidden: []int{4}, Bilinear: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, e10 := NewKORR(switched, network(nil, 8, 3, false), wide, 4, KORROptions{})
	_, e7 := NewAgent(&cfg, good, network(nil, 14, 2, true), make([]float32, 3), wide, 4)
	_, e8 := NewAgent(&cfg, good, network(nil, 14, 1, true), make([]float32, 2), wide, 4)
	_, e9 := NewResiP(network(nil, 8, 3, false), Dims{Obs: 6, X: 8, Act: 3}, 4, nil)
	for i, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, e9, e10} {
		if err == nil {
			t.Errorf("case %d passed", i+1)
		}
	}
}
