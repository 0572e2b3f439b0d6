package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/seed"
)

// denoisers are the networks measured; peer names the measurement of the script that computes the same.
var denoisers = []struct {
	name, step, train string
	cfg               diffusion.Config
}{
	{"unet 64-128-256", "step-small", "train-small", diffusion.Config{
		Arch: diffusion.ArchUNet, Horizon: 16, StepDim: 256, DownDims: []int{64, 128, 256}, Kernel: 5, Groups: 8,
	}},
	{"unet 256-512-1024", "step-published", "", diffusion.Config{
		Arch: diffusion.ArchUNet, Horizon: 32, StepDim: 256, DownDims: []int{256, 512, 1024}, Kernel: 5, Groups: 8,
	}},
	{"mlp 3 x 512", "", "", diffusion.Config{Arch: diffusion.ArchMLP, Horizon: 16, StepDim: 128, Width: 512, Blocks: 3}},
	{"transformer 3 x 256", "", "", diffusion.Config{
		Arch: diffusion.ArchTransformer, Horizon: 16, StepDim: 128, Width: 256, Blocks: 3, Heads: 4,
	}},
}

// Denoising measures a network call for one chunk and a training step on 64 chunks of the diffusion denoisers, ms, on
// one thread; the published UNet beside PyTorch.
func Denoising(ctx context.Context, o *Options) (_ []Result, err error) {
	peer := o.peer(ctx, torchDiffusion)
	defer func() { err = errors.Join(err, peer.close()) }()
	var cases []Case
	add := func(name, remote string, run func()) {
		c := Case{Name: "base/" + name, Unit: "ms", Run: func() (float64, error) { return milliseconds(run), nil }}
		run() // touches its memory
		if peer != nil && remote != "" {
			c.Peer = c.Name + " (torch)"
			cases = append(cases, c, Case{Name: c.Peer, Unit: "ms", Run: func() (float64, error) {
				v, err := peer.measure(remote)
				if err != nil {
					return 0, err
				}
				return v[0], nil
			}})
			return
		}
		cases = append(cases, c)
	}
	for _, b := range denoisers {
		cfg := b.cfg
		cfg.ObsDim, cfg.ActDim = 58, 10
		net := diffusion.NewNetwork(cfg, seed.Stream(o.Seed, "bench/base", 0))
		add(b.name+", call", b.step, denoiseCall(net))
		if b.step == "" || b.train != "" { // the published size trains on other machines
			add(b.name+", training step", b.train, trainingStep(net, 64))
		}
	}
	return Alternate(ctx, o.Rounds, cases...)
}

// milliseconds of one call, over as many as fit into measureFor.
func milliseconds(run func()) float64 {
	n, start := 0, time.Now()
	for time.Since(start) < measureFor {
		run()
		n++
	}
	return time.Since(start).Seconds() * 1e3 / float64(n)
}

func gaussian(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func denoiseCall(net *diffusion.Network) func() {
	cfg, rng := net.Config(), seed.Stream(1, "bench/base", 1)
	d := diffusion.NewDenoiser(net, 1)
	x, cond := gaussian(rng, cfg.Horizon*cfg.ActDim), gaussian(rng, cfg.ObsDim)
	y := make([]float32, len(x))
	d.Begin([]int{50}, 1)
	return func() { d.PredictTo(y, x, cond, 0) }
}

func trainingStep(net *diffusion.Network, batch int) func() {
	cfg, rng := net.Config(), seed.Stream(1, "bench/base", 2)
	p, opt := net.NewPass(batch), nn.NewAdamW(net.Params(), nn.AdamWConfig{LR: 1e-4, WeightDecay: 1e-2})
	x, cond := gaussian(rng, batch*cfg.Horizon*cfg.ActDim), gaussian(rng, batch*cfg.ObsDim)
	steps, dy := make([]int, batch), make([]float32, len(x))
	for i := range steps {
		steps[i] = rng.IntN(100)
	}
	return func() {
		nn.ZeroGrad(net.Params())
		for i, v := range p.Forward(x, cond, steps, batch) {
			dy[i] = 2 * (v - x[i]) / float32(len(x))
		}
		p.Backward(dy)
		opt.Step()
	}
}
