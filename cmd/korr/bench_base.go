package main

import (
	"bufio"
	"context"
	_ "embed" // for the peer's script
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/basepolicy/diffusion"
	"korr/internal/bench"
	"korr/internal/nn"
	"korr/internal/seed"
)

// benchBaseOptions are the verb's flags.
type benchBaseOptions struct {
	*benchOptions
	python string
}

func newCmdBenchBase(b *benchOptions) *cobra.Command {
	o := &benchBaseOptions{benchOptions: b}
	cmd := &cobra.Command{
		Use:   "base",
		Short: "diffusion denoisers: a network call and a training step, beside PyTorch",
		Long: `Measures, on one thread, one network call for one chunk and one training step (forward, backward, AdamW) on 64 chunks, in
milliseconds. Where --python can import torch, the published UNet runs there in turn with ours.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBenchBase(cmd.Context(), o) },
	}
	cmd.Flags().StringVar(&o.python, "python", "/usr/bin/python3", "`interpreter` that imports torch; empty for no peer")
	return cmd
}

// benchNets are the networks measured; peer names the measurement of the script that computes the same.
var benchNets = []struct {
	name, step, train string
	cfg               diffusion.Config
}{
	{"unet 64-128-256", "step-small", "train-small", diffusion.Config{Arch: diffusion.ArchUNet, Horizon: 16, StepDim: 256, DownDims: []int{64, 128, 256}, Kernel: 5, Groups: 8}},
	{"unet 256-512-1024", "step-published", "", diffusion.Config{Arch: diffusion.ArchUNet, Horizon: 32, StepDim: 256, DownDims: []int{256, 512, 1024}, Kernel: 5, Groups: 8}},
	{"mlp 3 x 512", "", "", diffusion.Config{Arch: diffusion.ArchMLP, Horizon: 16, StepDim: 128, Width: 512, Blocks: 3}},
	{"transformer 3 x 256", "", "", diffusion.Config{Arch: diffusion.ArchTransformer, Horizon: 16, StepDim: 128, Width: 256, Blocks: 3, Heads: 4}},
}

// measureFor is how long one round of one case takes.
const measureFor = 300 * time.Millisecond

func runBenchBase(ctx context.Context, o *benchBaseOptions) (err error) {
	var peer *torchPeer
	if o.python != "" {
		if peer, err = startTorch(ctx, o.python); err != nil {
			o.log.Warn("no peer: PyTorch does not start", "python", o.python, "err", err)
		} else {
			defer func() { err = errors.Join(err, peer.close()) }()
			o.log.Info("peer", "torch", peer.version)
		}
	}
	var cases []bench.Case
	add := func(name, remote string, run func()) {
		c := bench.Case{Name: "base/" + name, Unit: "ms", Run: func() (float64, error) { return milliseconds(run), nil }}
		run() // touches its memory
		if peer != nil && remote != "" {
			c.Peer = c.Name + " (torch)"
			cases = append(cases, c, bench.Case{Name: c.Peer, Unit: "ms", Run: func() (float64, error) { return peer.measure(remote) }})
			return
		}
		cases = append(cases, c)
	}
	for _, b := range benchNets {
		cfg := b.cfg
		cfg.ObsDim, cfg.ActDim = 58, 10
		net := diffusion.NewNetwork(cfg, seed.Stream(o.cfg.Seed, "bench/base", 0))
		add(b.name+", call", b.step, denoiseCall(net))
		if b.step == "" || b.train != "" { // the published size trains on other machines
			add(b.name+", training step", b.train, trainingStep(net, 64))
		}
	}
	results, err := bench.Alternate(ctx, o.rounds, cases...)
	if err != nil {
		return err
	}
	return o.printBench(results)
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

//go:embed bench_base.py
var torchScript string

// torchPeer is the script in a process of its own.
type torchPeer struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Scanner
	version string
}

func startTorch(ctx context.Context, python string) (*torchPeer, error) {
	cmd := exec.CommandContext(ctx, python, "-c", torchScript)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &torchPeer{cmd: cmd, in: in, out: bufio.NewScanner(out)}
	if !p.out.Scan() {
		err := p.close()
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return nil, fmt.Errorf("%s: %w", lines[len(lines)-1], err)
	}
	p.version = p.out.Text()
	return p, nil
}

// measure asks for one measurement.
func (p *torchPeer) measure(name string) (float64, error) {
	if _, err := fmt.Fprintln(p.in, name, measureFor.Seconds()); err != nil {
		return 0, err
	}
	if !p.out.Scan() {
		return 0, fmt.Errorf("PyTorch ended while measuring %s", name)
	}
	return strconv.ParseFloat(p.out.Text(), 64)
}

func (p *torchPeer) close() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}
