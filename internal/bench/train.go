package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"korr/internal/nn"
	"korr/internal/seed"
	"korr/internal/usage"
	"korr/train/gorgonia"
	"korr/train/ppo"
)

// Training measures a training step of KORR on batches of these sizes and numbers of threads, ms: PPO and the model's
// loss on the published networks, beside PyTorch and, on one thread, gorgonia. A batch holds at least two steps for
// each thread.
func Training(ctx context.Context, o *Options, batches, threads []int) (_ []Result, err error) {
	if len(batches) == 0 || len(threads) == 0 || slices.Min(threads) < 1 || slices.Min(batches) < 2*slices.Max(threads) {
		return nil, usage.Errorf("--batches %v --threads %v: want at least two steps for each thread", batches, threads)
	}
	peer := o.peer(ctx, torchKORR)
	defer func() { err = errors.Join(err, peer.close()) }()
	var cases []Case
	for _, k := range threads {
		for _, n := range batches {
			agent, batch, err := publishedAgent(o.Seed, n, k)
			if err != nil {
				return nil, err
			}
			c := Case{
				Name: fmt.Sprintf("train/batch %d, %d threads", n, k), Unit: "ms",
				Run: func() (float64, error) {
					return medianOf(func() error { _, err := agent.Update(batch); return err })
				},
			}
			if k == 1 {
				other, err := gorgoniaCase(o.Seed, n, c.Name)
				if err != nil {
					return nil, err
				}
				cases = append(cases, other)
			}
			if peer == nil {
				cases = append(cases, c)
				continue
			}
			c.Peer = c.Name + " (torch)"
			cases = append(cases, c, Case{Name: c.Peer, Unit: "ms", Run: func() (float64, error) {
				v, err := peer.measure("train", n, k)
				if err != nil {
					return 0, err
				}
				return v[0], nil
			}})
		}
	}
	return Alternate(ctx, o.Rounds, cases...)
}

// gorgoniaCase is the step on one thread with gorgonia's differentiation, against ours.
func gorgoniaCase(s uint64, n int, ours string) (Case, error) {
	agent, batch, err := publishedAgent(s, n, 1)
	if err != nil {
		return Case{}, err
	}
	if err := agent.Use(func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }); err != nil {
		return Case{}, err
	}
	return Case{Name: ours + " (gorgonia)", Unit: "ms", Peer: ours, Run: func() (float64, error) {
		return medianOf(func() error { _, err := agent.Update(batch); return err })
	}}, nil
}

// medianOf is the median of a step in milliseconds, of as many as fit into measureFor but three at least.
func medianOf(step func() error) (float64, error) {
	if err := step(); err != nil { // touches its memory
		return 0, err
	}
	var taken []time.Duration
	for start := time.Now(); len(taken) < 3 || time.Since(start) < measureFor; {
		t := time.Now()
		if err := step(); err != nil {
			return 0, err
		}
		taken = append(taken, time.Since(t))
	}
	slices.Sort(taken)
	return taken[len(taken)/2].Seconds() * 1e3, nil
}

// trainConfig is what peers/torch_korr.py trains with.
func trainConfig() *ppo.Config {
	c := ppo.DefaultConfig()
	c.LearningRateCritic = c.LearningRateActor
	return &c
}

// publishedAgent returns an agent of the published networks and a batch of n steps.
func publishedAgent(s uint64, n, threads int) (*ppo.Agent, *ppo.Batch, error) {
	model, head, err := publishedNetworks(s)
	if err != nil {
		return nil, nil, err
	}
	rng := seed.Stream(s, "bench/train", uint64(n))
	d := ppo.Dims{Obs: obsDim, X: obsDim + actDim, Act: actDim}
	rows := (n + threads - 1) / threads
	actor, err := ppo.NewKORR(model, head, d, rows, ppo.KORROptions{})
	if err != nil {
		return nil, nil, err
	}
	critic := nn.NewMLP(nn.MLPConfig{In: d.X, Hidden: hidden, Out: 1, OutputBias: true, LastStd: 0.25, LastBias: 0.25},
		rng)
	logStd := slices.Repeat([]float32{-1}, actDim)
	agent, err := ppo.NewAgent(trainConfig(), actor, critic, logStd, d, rows)
	if err != nil {
		return nil, nil, err
	}
	if err := agent.Split(threads, threads); err != nil {
		return nil, nil, err
	}
	b := &ppo.Batch{
		N: n, X: gaussian(rng, n*d.X), Advantage: gaussian(rng, n), Return: gaussian(rng, n), LogProb: make([]float32, n),
		Pairs: ppo.Pairs{N: n, U: gaussian(rng, n*d.Act), Next: gaussian(rng, n*d.Obs)},
	}
	for i := range n {
		b.Pairs.Obs = append(b.Pairs.Obs, b.X[i*d.X:i*d.X+d.Obs]...)
		r := gaussian(rng, d.Act)
		for j := range r { // as sampled around a mean of zero
			r[j] *= float32(math.Exp(-1))
		}
		b.Residual = append(b.Residual, r...)
		b.LogProb[i] = float32(ppo.LogProb(r, make([]float32, d.Act), logStd))
	}
	return agent, b, nil
}
