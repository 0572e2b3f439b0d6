package imitation

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/internal/tensorfile"
	"korr/sim"
	"korr/train/run"
)

func smallDiffusion(arch string) Config {
	s := diffusion.DefaultSampler()
	s.Steps, s.WarmStep = 5, 10
	hidden := []int{48, 48}
	if arch == diffusion.ArchUNet {
		hidden = []int{16, 24}
	}
	return Config{
		Arch: "diffusion-" + arch, Hidden: hidden, Horizon: 4, Steps: 300, Batch: 32, LR: 2e-3, WarmUp: 20, WeightDecay: 1e-4,
		GradClip: 1, EMAPower: 0.75, EMAMax: 0.999,
		Network: diffusion.Config{StepDim: 16, Heads: 2, Kernel: 3, Groups: 4},
		Process: diffusion.Process{
			Steps: 20, Schedule: diffusion.SquaredCosine, Prediction: diffusion.PredictChunk,
			Clip: true,
		},
		Sampler: s, Seed: 5, Shards: 2, ReportEvery: 100,
	}
}

func diffusionWeights(p *diffusion.Policy) []float32 {
	var w []float32
	for _, q := range p.Net.Params() {
		w = append(w, q.Data...)
	}
	return w
}

func TestTrainDiffusionLearnsTheDemonstrator(t *testing.T) {
	d := reaching(20, 30)
	for _, arch := range []string{diffusion.ArchMLP, diffusion.ArchUNet, diffusion.ArchTransformer} {
		cfg := smallDiffusion(arch)
		cfg.ValFraction = 0.2
		var reports []Report
		cfg.Progress = func(r Report) { reports = append(reports, r) }
		p, err := TrainDiffusion(context.Background(), d, cfg)
		if err != nil {
			t.Fatal(err)
		}
		first, last := reports[0], reports[len(reports)-1]
		if len(reports) != 3 || last.Step != 300 || last.Loss > first.Loss || last.ValLoss > 0.05 || last.ValL1 > 0.12 ||
			last.ValL1 == 0 {
			t.Errorf("%s: first %+v, last %+v", arch, first, last)
		}
		if o := p.About().Origin; o.Task != "reach" || o.Seed != 5 || !strings.Contains(o.Training, `"arch":"`+arch+`"`) {
			t.Errorf("%s: origin %+v", arch, o)
		}
		if end := approach(t, p); end > 0.15 {
			t.Errorf("%s: the point ends %.3f from the goal", arch, end)
		}
	}
}

// approach follows the policy for a while from one side and returns how far from
// the goal it ends.
func approach(t *testing.T, p basepolicy.Policy) float64 {
	t.Helper()
	about := p.About()
	q := basepolicy.NewQueue(p.NewChunker(), 2)
	q.Reset(1)
	raw, obs, act := make([]float32, sim.StateDim+sim.PoseDim), make([]float32, about.Obs.Dim()),
		make([]float32, sim.ActDim)
	raw[0], raw[1], raw[2] = 0.4, -0.4, 0.3
	for range 40 {
		about.Obs.NormalizeObsTo(obs, raw)
		if err := q.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		about.Act.DenormalizeTo(act, act)
		copy(raw[:3], act[:3])
	}
	return math.Hypot(math.Hypot(float64(raw[0]), float64(raw[1])), float64(raw[2]))
}

// TestDiffusionResumesToTheBit: a run that was interrupted twice, once between
// two saved states, ends with the weights of one that was not.
func TestDiffusionResumesToTheBit(t *testing.T) {
	d := reaching(8, 20)
	cfg := smallDiffusion(diffusion.ArchUNet)
	cfg.Steps = 30
	whole, err := TrainDiffusion(context.Background(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Run, err = run.Create(t.TempDir(), []byte("x")); err != nil {
		t.Fatal(err)
	}
	cfg.Resume, cfg.CheckpointEvery, cfg.ReportEvery = true, 10, 1
	for _, stop := range []int{10, 17} {
		ctx, cancel := context.WithCancel(context.Background())
		cfg.Progress = func(r Report) {
			if r.Step == stop {
				cancel()
			}
		}
		if _, err := TrainDiffusion(ctx, d, cfg); !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v, want the context's", err)
		}
	}
	cfg.Progress = nil
	again, err := TrainDiffusion(context.Background(), d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := diffusionWeights(whole)
	for i, v := range diffusionWeights(again) {
		if v != want[i] {
			t.Fatalf("weight %d is %v, in the uninterrupted run %v", i, v, want[i])
		}
	}
	cfg.LR *= 2
	if _, err := TrainDiffusion(context.Background(), d, cfg); err == nil || !strings.Contains(err.Error(),
		"other settings") {
		t.Errorf("another learning rate: %v", err)
	}
	cfg.LR /= 2
	f, err := tensorfile.Read(cfg.Run.Checkpoint(StateName))
	if err != nil {
		t.Fatal(err)
	}
	f.Meta["step"] = "-1"
	if err := tensorfile.Write(cfg.Run.Checkpoint(StateName), f); err != nil {
		t.Fatal(err)
	}
	if _, err := TrainDiffusion(context.Background(), d, cfg); err == nil {
		t.Error("a state of step -1 was accepted")
	}
}

func TestWarmUpThenCosine(t *testing.T) {
	c := Config{LR: 1, WarmUp: 10, Steps: 110}
	for step, want := range map[int]float64{0: 0.1, 9: 1, 10: 1, 60: 0.5, 110: 0} {
		if got := c.warmCosine(step); math.Abs(got-want) > 1e-9 {
			t.Errorf("the rate of step %d is %v, want %v", step, got, want)
		}
	}
}

func TestTrainDiffusionRefuses(t *testing.T) {
	d := reaching(3, 10)
	for name, change := range map[string]func(c *Config){
		"steps":   func(c *Config) { c.Steps = 0 },
		"lr":      func(c *Config) { c.LR = 0 },
		"ema":     func(c *Config) { c.EMAMax = 1 },
		"shards":  func(c *Config) { c.Shards = 99 },
		"sampler": func(c *Config) { c.Sampler.Steps = 21 },
		"process": func(c *Config) { c.Process.Prediction = "x" },
		"network": func(c *Config) { c.Horizon = 3 },
		"val":     func(c *Config) { c.ValFraction = 0.99 },
	} {
		cfg := smallDiffusion(diffusion.ArchUNet)
		change(&cfg)
		if _, err := TrainDiffusion(context.Background(), d, cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	cfg := smallDiffusion(diffusion.ArchMLP)
	cfg.LR, cfg.GradClip, cfg.WarmUp = 1e12, 0, 0
	if _, err := TrainDiffusion(context.Background(), d, cfg); err == nil {
		t.Error("a run at learning rate 1e12 ended well")
	}
}
