package bench

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"korr/internal/layout"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/koopman"
)

// The published widths, as in peers/torch_korr.py.
const (
	obsDim    = layout.State + 6*layout.Pose
	actDim    = layout.Action
	latentDim = 256
)

var hidden = []int{256, 256}

// Control measures the lift, prediction and residual of one observation with the published widths on one thread, us: as
// trained, and folded as after loading; beside PyTorch, eager and as a frozen trace. It also counts the allocations of
// a step.
func Control(ctx context.Context, o *Options) (_ []Result, err error) {
	peer := o.peer(ctx, torchKORR)
	defer func() { err = errors.Join(err, peer.close()) }()
	full, folded, err := controlSteps(o.Seed)
	if err != nil {
		return nil, err
	}
	against := func(percentile string) string {
		if peer == nil {
			return ""
		}
		return "control/torch.jit" + percentile
	}
	var cases []Case
	add := func(name string, peers bool, measure func() ([]float64, error)) {
		var last []float64
		for i, p := range []string{" p50", " p99"} {
			c := Case{Name: "control/" + name + p, Unit: "us", Run: func() (float64, error) {
				if i == 0 { // the second case reads what the first has measured
					var err error
					if last, err = measure(); err != nil {
						return 0, err
					}
				}
				return last[i], nil
			}}
			if peers {
				c.Peer = against(p)
			}
			cases = append(cases, c)
		}
	}
	ours := func(step func()) func() ([]float64, error) {
		return func() ([]float64, error) { return percentiles(step), nil }
	}
	add("full", true, ours(full))
	add("folded", true, ours(folded))
	if peer != nil {
		add("torch.jit", false, func() ([]float64, error) { return peer.measure("control", "jit") })
		add("torch eager", false, func() ([]float64, error) { return peer.measure("control", "eager") })
	}
	results, err := Alternate(ctx, o.Rounds, cases...)
	if err != nil {
		return nil, err
	}
	return append(
		results,
		Result{Name: "control/full allocations", Value: allocationsOf(full), Unit: "per step"},
		Result{Name: "control/folded allocations", Value: allocationsOf(folded), Unit: "per step"},
	), nil
}

// controlSteps returns a step of the published networks, one part after the other and folded.
func controlSteps(s uint64) (full, folded func(), err error) {
	model, head, err := publishedNetworks(s)
	if err != nil {
		return nil, nil, err
	}
	fold, err := model.Fold(head)
	if err != nil {
		return nil, nil, err
	}
	rng := seed.Stream(s, "bench/control", 1)
	obs, u, r := gaussian(rng, obsDim), gaussian(rng, actDim), make([]float32, actDim)
	z, next := make([]float32, latentDim), make([]float32, latentDim)
	p, pi, f := model.Predictor(), head.Evaluator(), fold.Predictor()
	full = func() {
		p.LiftTo(z, obs)
		p.PredictTo(next, z, u)
		pi.ForwardTo(r, next)
	}
	folded = func() {
		f.Observe(obs)
		f.HeadTo(r, u)
	}
	return full, folded, nil
}

// publishedNetworks are the published model and head with random weights.
func publishedNetworks(s uint64) (*koopman.Model, *nn.MLP, error) {
	rng := seed.Stream(s, "bench/korr", 0)
	model, err := koopman.New(koopman.Config{
		ObsDim: obsDim, ActDim: actDim, LatentDim: latentDim, Hidden: hidden, SpectralBound: -1,
	}, rng)
	if err != nil {
		return nil, nil, err
	}
	for i := range model.B.Data {
		model.B.Data[i] = 0.1 * float32(rng.NormFloat64())
	}
	return model, nn.NewMLP(nn.MLPConfig{In: latentDim, Hidden: hidden, Out: actDim, LastStd: 0.1}, rng), nil
}

// percentiles runs step for measureFor and returns the 50th and 99th percentile of its time in microseconds.
func percentiles(step func()) []float64 {
	for range 50 {
		step()
	}
	var taken []time.Duration
	for start := time.Now(); time.Since(start) < measureFor; {
		t := time.Now()
		step()
		taken = append(taken, time.Since(t))
	}
	slices.Sort(taken)
	at := func(share int) float64 { return taken[len(taken)*share/100].Seconds() * 1e6 }
	return []float64{at(50), at(99)}
}

// allocationsOf is how often Go's heap is asked for memory in a step.
func allocationsOf(step func()) float64 {
	const n = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range n {
		step()
	}
	runtime.ReadMemStats(&after)
	// whole ones: what else runs in the process allocates now and then
	return float64((after.Mallocs - before.Mallocs) / n)
}
