package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/bench"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/train/gorgonia"
	"korr/train/ppo"
)

// benchTrainOptions are the verb's flags.
type benchTrainOptions struct {
	peerOptions
	batches, threads []int
}

func newCmdBenchTrain(b *benchOptions) *cobra.Command {
	o := &benchTrainOptions{peerOptions: peerOptions{benchOptions: b}}
	cmd := &cobra.Command{
		Use:   "train",
		Short: "a training step of KORR (PPO and the model's loss), beside PyTorch and gorgonia",
		Long: `Measures one training step of the published networks (observation 58, action 10, latent 256, hidden layers of 256): losses,
gradients, clipping and AdamW on batches of 256 and 4096, on one thread and on two, each of which takes half of the batch. The
median of a step in milliseconds. Where --python can import torch, the same step runs there in turn with ours on as many threads;
gorgonia's runs on one.`,
		Example: `  korr bench train --rounds 7 --json`,
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runBenchTrain(cmd.Context(), o) },
	}
	o.addFlags(cmd)
	cmd.Flags().IntSliceVar(&o.batches, "batches", []int{256, 4096}, "batch sizes")
	cmd.Flags().IntSliceVar(&o.threads, "threads", []int{1, 2}, "numbers of threads")
	return cmd
}

func runBenchTrain(ctx context.Context, o *benchTrainOptions) (err error) {
	if len(o.batches) == 0 || len(o.threads) == 0 || slices.Min(o.batches) < 2*max(1, slices.Max(o.threads)) || slices.Min(o.threads) < 1 {
		return cli.UsageErrorf("--batches %v --threads %v: want at least two steps for each thread", o.batches, o.threads)
	}
	peer := o.peer(ctx, torchKORR)
	defer func() { err = errors.Join(err, peer.close()) }()
	var cases []bench.Case
	for _, threads := range o.threads {
		for _, n := range o.batches {
			agent, batch, err := benchAgent(o.Config.Seed, n, threads)
			if err != nil {
				return err
			}
			c := bench.Case{
				Name: fmt.Sprintf("train/batch %d, %d threads", n, threads), Unit: "ms",
				Run: func() (float64, error) {
					return medianOf(func() error { _, err := agent.Update(batch); return err })
				},
			}
			if threads == 1 {
				other, err := gorgoniaCase(o.Config.Seed, n, c.Name)
				if err != nil {
					return err
				}
				cases = append(cases, other)
			}
			if peer == nil {
				cases = append(cases, c)
				continue
			}
			c.Peer = c.Name + " (torch)"
			cases = append(cases, c, bench.Case{Name: c.Peer, Unit: "ms", Run: func() (float64, error) {
				v, err := peer.measure("train", n, threads)
				if err != nil {
					return 0, err
				}
				return v[0], nil
			}})
		}
	}
	results, err := bench.Alternate(ctx, o.rounds, cases...)
	if err != nil {
		return err
	}
	return o.printBench(results)
}

// gorgoniaCase is the step on one thread with gorgonia's differentiation, against ours.
func gorgoniaCase(s uint64, n int, ours string) (bench.Case, error) {
	agent, batch, err := benchAgent(s, n, 1)
	if err != nil {
		return bench.Case{}, err
	}
	if err := agent.Use(func(n ppo.Networks) ppo.Engine { return gorgonia.NewEngine(n) }); err != nil {
		return bench.Case{}, err
	}
	return bench.Case{Name: ours + " (gorgonia)", Unit: "ms", Peer: ours, Run: func() (float64, error) {
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

// benchConfig is what bench_korr.py trains with.
func benchConfig() *ppo.Config {
	c := ppo.Default()
	c.LearningRateCritic = c.LearningRateActor
	return &c
}

// benchAgent returns an agent of the published networks and a batch of n steps.
func benchAgent(s uint64, n, threads int) (*ppo.Agent, *ppo.Batch, error) {
	model, head, err := benchNetworks(s)
	if err != nil {
		return nil, nil, err
	}
	rng := seed.Stream(s, "bench/train", uint64(n))
	d := ppo.Dims{Obs: benchObs, X: benchObs + benchAct, Act: benchAct}
	rows := (n + threads - 1) / threads
	actor, err := ppo.NewKORR(model, head, d, rows, ppo.KORROptions{})
	if err != nil {
		return nil, nil, err
	}
	critic := nn.NewMLP(nn.MLPConfig{In: d.X, Hidden: benchHidden, Out: 1, OutputBias: true, LastStd: 0.25, LastBias: 0.25}, rng)
	logStd := slices.Repeat([]float32{-1}, benchAct)
	agent, err := ppo.NewAgent(benchConfig(), actor, critic, logStd, d, rows)
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
