package diffusion

import (
	"testing"

	"korr/internal/nn"
	"korr/internal/seed"
)

// benchConfigs are the small UNet and the published one.
var benchConfigs = map[string]Config{
	"unet 64-128-256": {
		Arch: ArchUNet, ObsDim: 58, ActDim: 10, Horizon: 16, StepDim: 256,
		DownDims: []int{64, 128, 256}, Kernel: 5, Groups: 8,
	},
	"unet 256-512-1024": {
		Arch: ArchUNet, ObsDim: 58, ActDim: 10, Horizon: 32, StepDim: 256,
		DownDims: []int{256, 512, 1024}, Kernel: 5, Groups: 8,
	},
	"mlp 512": {Arch: ArchMLP, ObsDim: 58, ActDim: 10, Horizon: 16, StepDim: 64, Width: 512, Blocks: 3},
	"transformer 256": {
		Arch: ArchTransformer, ObsDim: 58, ActDim: 10, Horizon: 16, StepDim: 128, Width: 256,
		Blocks: 4, Heads: 4,
	},
}

// BenchmarkDenoise is one network call for one chunk.
func BenchmarkDenoise(b *testing.B) {
	for name, cfg := range benchConfigs {
		b.Run(name, func(b *testing.B) {
			d := NewDenoiser(NewNetwork(cfg, seed.Stream(1, "bench", 0)), 1)
			x, cond := noise("x", cfg.Horizon*cfg.ActDim), noise("cond", cfg.ObsDim)
			y := make([]float32, len(x))
			d.Begin([]int{50}, 1)
			for b.Loop() {
				d.PredictTo(y, x, cond, 0)
			}
		})
	}
}

// BenchmarkTrain is one step on a batch of 64: forward, backward, AdamW.
func BenchmarkTrain(b *testing.B) {
	const n = 64
	for name, cfg := range benchConfigs {
		b.Run(name, func(b *testing.B) {
			net := NewNetwork(cfg, seed.Stream(1, "bench", 0))
			p, opt := net.NewPass(n), nn.NewAdamW(net.Params(), nn.AdamWConfig{LR: 1e-4, WeightDecay: 1e-2})
			x, cond := noise("x", n*cfg.Horizon*cfg.ActDim), noise("cond", n*cfg.ObsDim)
			steps, dy := make([]int, n), make([]float32, len(x))
			for b.Loop() {
				nn.ZeroGrad(net.Params())
				for i, v := range p.Forward(x, cond, steps, n) {
					dy[i] = 2 * (v - x[i]) / float32(len(x))
				}
				p.Backward(dy)
				opt.Step()
			}
		})
	}
}
