package gorgonia

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gorgonia.org/tensor"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
	"korr/train/ppo"
)

func normal(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func gradients(ps []*nn.Param) [][]float32 {
	var all [][]float32
	for _, p := range ps {
		all = append(all, append([]float32(nil), p.Grad...))
	}
	return all
}

// agree compares gradients: 1e-4 of a parameter's largest.
func agree(t *testing.T, what string, ps []*nn.Param, got [][]float32) {
	t.Helper()
	for i, p := range ps {
		diff, scale := 0.0, 0.0
		for k, want := range p.Grad {
			diff, scale = math.Max(diff, math.Abs(float64(got[i][k]-want))), math.Max(scale, math.Abs(float64(want)))
		}
		if scale == 0 || !(diff <= 1e-4*scale) {
			t.Errorf("%s: gradient of %s %v (%d) off by %.2g of %.2g", what, p.Name, p.Shape, i, diff, scale)
		}
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-5*(1+math.Abs(want))) {
		t.Errorf("%s: %g, gorgonia has %g", what, got, want)
	}
}

// TestModelLoss: one and several steps, both lifts, with and without gradients through the targets.
func TestModelLoss(t *testing.T) {
	for _, steps := range []int{1, 4} {
		for _, inclusive := range []bool{false, true} {
			rng := seed.Stream(1, "gorgonia/model", uint64(steps))
			const n = 5
			m, err := koopman.New(koopman.Config{
				ObsDim: 4, ActDim: 2, LatentDim: 7, Hidden: []int{8, 6}, StateInclusive: inclusive, FirstWeight: 2,
				SpectralBound: -1,
			}, rng)
			if err != nil {
				t.Fatal(err)
			}
			copy(m.B.Data, normal(rng, len(m.B.Data)))
			for i := range m.A.Data {
				m.A.Data[i] += 0.1 * float32(rng.NormFloat64())
			}
			obs, us := normal(rng, (steps+1)*n*4), normal(rng, steps*n*2)
			nn.ZeroGrad(m.Params())
			loss := float64(m.WindowLoss(m.NewTape(n, steps), obs, us, n, steps, 1))
			got := gradients(m.Params())
			if steps == 1 { // the same by its other name
				nn.ZeroGrad(m.Params())
				near(t, "LatentLoss", float64(m.LatentLoss(m.NewTape(n, 1), obs, us, obs[n*4:], n, 1)), loss)
			}
			oracle, err := NewModel(m, n, steps)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%d steps, inclusive %t", steps, inclusive)
			for range 2 { // nothing is left over from a run
				nn.ZeroGrad(m.Params())
				want, err := oracle.Loss(obs, us)
				if err != nil {
					t.Fatal(err)
				}
				near(t, what, loss, want)
				agree(t, what, m.Params(), got)
			}
			if err := oracle.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

var dims = ppo.Dims{Obs: 5, X: 11, Act: 3} // more than [o, u_b]

func perceptron(rng *rand.Rand, in, out int, norm bool) *nn.MLP {
	return nn.NewMLP(nn.MLPConfig{In: in, Hidden: []int{12, 9}, Out: out, OutputBias: norm, LayerNorm: norm, LastStd: 0.7},
		rng)
}

var kinds = []string{
	"resip", "resip norm", "resip goal", "dynamics", "korr", "korr goal", "korr inclusive goal",
	"korr stop",
}

// newAgent makes an agent of that kind; equal seeds, equal weights.
func newAgent(t testing.TB, kind string, cfg *ppo.Config, rows int) *ppo.Agent {
	t.Helper()
	rng := seed.Stream(5, kind, 0)
	var a ppo.Actor
	var err error
	switch kind {
	case "resip", "resip norm":
		a, err = ppo.NewResiP(perceptron(rng, dims.X, dims.Act, kind == "resip norm"), dims, rows, nil)
	case "resip goal":
		a, err = ppo.NewResiP(perceptron(rng, dims.X+dims.Obs, dims.Act, false), dims, rows, normal(rng, dims.Obs))
	case "dynamics":
		a, err = ppo.NewDynamics(perceptron(rng, dims.Obs+dims.Act, dims.Obs, false), perceptron(rng, dims.Obs, dims.Act,
			false), dims, rows)
	default:
		opts, in := ppo.KORROptions{StopGradient: kind == "korr stop"}, 8
		if kind == "korr goal" || kind == "korr inclusive goal" {
			opts.Goal, in = normal(rng, dims.Obs), 16
		}
		m, kerr := koopman.New(koopman.Config{
			ObsDim: dims.Obs, ActDim: dims.Act, LatentDim: 8, Hidden: []int{10}, StateInclusive: kind == "korr inclusive goal",
			SpectralBound: -1,
		}, rng)
		if kerr != nil {
			t.Fatal(kerr)
		}
		copy(m.B.Data, normal(rng, len(m.B.Data)))
		a, err = ppo.NewKORR(m, perceptron(rng, in, dims.Act, false), dims, rows, opts)
	}
	if err != nil {
		t.Fatal(err)
	}
	critic := nn.NewMLP(nn.MLPConfig{In: dims.X, Hidden: []int{12, 9}, Out: 1, OutputBias: true, LastStd: 0.7}, rng)
	agent, err := ppo.NewAgent(cfg, a, critic, []float32{-0.3, 0, 0.2}, dims, rows)
	if err != nil {
		t.Fatal(err)
	}
	return agent
}

// sample draws a batch from the agent's policy, with fewer pairs than steps.
func sample(a *ppo.Agent, n int) *ppo.Batch {
	rng := seed.Stream(7, "batch", uint64(n))
	pairs := n - n/5
	b := &ppo.Batch{N: n, X: normal(rng, n*dims.X), Advantage: normal(rng, n), Return: normal(rng, n), Pairs: ppo.Pairs{
		N: pairs, Obs: normal(rng, pairs*dims.Obs), U: normal(rng, pairs*dims.Act), Next: normal(rng, pairs*dims.Obs),
	}}
	for mean := a.Actor.Forward(b.X, n); len(mean) > 0; mean = mean[dims.Act:] {
		r := normal(rng, dims.Act)
		for k := range r {
			r[k] = mean[k] + r[k]*float32(math.Exp(float64(a.LogStd[k])))
		}
		b.Residual = append(b.Residual, r...)
		b.LogProb = append(b.LogProb, float32(ppo.LogProb(r, mean[:dims.Act], a.LogStd)+0.15*rng.NormFloat64()))
	}
	return b
}

// TestAgentLoss: the whole loss of PPO for every kind of policy, with the critic.
func TestAgentLoss(t *testing.T) {
	for _, kind := range kinds {
		cfg := ppo.DefaultConfig()
		cfg.VFCoef, cfg.ModelCoef = 0.7, 1.3
		const n = 20
		a := newAgent(t, kind, &cfg, n)
		b := sample(a, n)
		ours := a.Gradients(b)
		params := append(append([]*nn.Param(nil), a.Actor.Params()...), a.Critic.Params()...)
		got := gradients(params)
		if ours.ClipFraction == 0 || ours.ClipFraction == 1 {
			t.Fatalf("%s: clip fraction %g tests one branch only", kind, ours.ClipFraction)
		}
		if err := a.Use(func(n ppo.Networks) ppo.Engine { return newEngine(n, tensor.Float64) }); err != nil {
			t.Fatal(err)
		}
		want := a.Gradients(b)
		for what, pair := range map[string][2]float64{
			"policy": {ours.Policy, want.Policy}, "value": {ours.Value, want.Value}, "model": {ours.Model, want.Model},
			"total": {ours.Total, want.Total},
			"kl":    {ours.ApproxKL, want.ApproxKL}, "clip fraction": {ours.ClipFraction, want.ClipFraction},
		} {
			near(t, kind+" "+what, pair[0], pair[1])
		}
		agree(t, kind, params, got)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEnginesFollowTheSameCurve: 200 steps from one seed, losses within 0.1 %.
func TestEnginesFollowTheSameCurve(t *testing.T) {
	for _, kind := range []string{"resip", "korr"} {
		cfg := ppo.DefaultConfig()
		const n = 32
		ours, theirs := newAgent(t, kind, &cfg, n), newAgent(t, kind, &cfg, n)
		b := sample(ours, n)
		if err := theirs.Use(func(n ppo.Networks) ppo.Engine { return NewEngine(n) }); err != nil {
			t.Fatal(err)
		}
		worst, first := 0.0, 0.0
		for step := range 200 {
			x, err := ours.Update(b)
			if err != nil {
				t.Fatal(err)
			}
			y, err := theirs.Update(b)
			if err != nil {
				t.Fatal(err)
			}
			if step == 0 {
				first = x.Total
			}
			// Policy loss and total pass zero: they are measured against the size of the terms.
			worst = math.Max(worst, math.Abs(x.Total-y.Total)/(math.Abs(y.Policy)+y.Value+y.Model))
			if step == 199 {
				t.Logf("%s: total %.5f to %.5f, largest difference %.2g", kind, first, x.Total, worst)
				if x.Total >= first {
					t.Errorf("%s: nothing was learned", kind)
				}
			}
		}
		if worst > 1e-3 {
			t.Errorf("%s: the curves differ by %.2g", kind, worst)
		}
		if err := theirs.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNaNIsAnError: gorgonia's watch ends the update, and nothing changes.
func TestNaNIsAnError(t *testing.T) {
	cfg := ppo.DefaultConfig()
	a := newAgent(t, "korr", &cfg, 10)
	b := sample(a, 10)
	if err := a.Use(func(n ppo.Networks) ppo.Engine { return NewEngine(n) }); err != nil {
		t.Fatal(err)
	}
	b.Return[3] = float32(math.NaN())
	before := append([]float32(nil), a.Critic.Params()[0].Data...)
	if _, err := a.Update(b); err == nil {
		t.Error("no error")
	}
	for i, v := range a.Critic.Params()[0].Data {
		if v != before[i] {
			t.Fatal("weights changed")
		}
	}
}
