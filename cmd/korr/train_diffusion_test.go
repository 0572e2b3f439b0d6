//go:build mujoco

package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/residual"
)

// tinyDiffusion are networks that take no time.
var tinyDiffusion = append([]string{
	"--set", "base.horizon=8", "--set", "base.width=16", "--set", "base.blocks=1", "--set", "base.heads=2", "--set", "base.down_dims=8,16",
	"--set", "base.step_embed_dim=8", "--set", "base.groups=2", "--set", "base.batch=16", "--set", "base.val_fraction=0.3", "--set", "base.checkpoint_every=2",
}, tiny...)

// TestDiffusionPipeline trains every kind of diffusion policy, goes on with one, lets it act with another sampler and refines it.
func TestDiffusionPipeline(t *testing.T) {
	dir := t.TempDir()
	demos := filepath.Join(dir, "demos")
	ok(t, append([]string{"collect", "--out", demos}, tiny...)...)
	out := func(arch string) string { return filepath.Join(dir, arch) }
	var trained trainResult
	for _, arch := range configs.Archs()[1:] {
		decodeOne(t, ok(t, append([]string{"train", "base", "--json", "--arch", arch, "--data", demos, "--out", out(arch), "--steps", "4"}, tinyDiffusion...)...), &trained)
		p, err := basepolicy.Load(trained.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		if d, is := p.(*diffusion.Policy); !is || diffusionPrefix+d.Net.Config().Arch != arch || d.Origin.Task != "one_leg" {
			t.Errorf("%s: %+v", arch, p)
		}
	}
	arch := configs.Archs()[1]
	if again := korr(t, "train", "base", "--resume", "--quiet", "--out", out(arch)); again.code != cli.ExitOK {
		t.Errorf("resume of a finished run: %+v", again)
	}
	if again := korr(t, "train", "base", "--resume", "--quiet", "--out", out(arch), "--set", "base.lr=0.1"); again.code != cli.ExitFailure || !strings.Contains(again.err, "other settings") {
		t.Errorf("resume with another learning rate: %+v", again)
	}
	base := filepath.Join(out(arch), "checkpoints", "base.safetensors")
	ok(t, append([]string{"eval", "--policy", base, "--episodes", "1", "--perturb", "off", "--set", "base.sampler=dpm++:steps=3,warm=none"}, tiny...)...)
	compareCaches(t, dir, base, demos)
	if o := korr(t, append([]string{"eval", "--policy", base, "--episodes", "1", "--quiet", "--set", "base.sampler=ddim:steps=500"}, tiny...)...); o.code != cli.ExitUsage {
		t.Errorf("a sampler of 500 of 100 steps: %+v", o)
	}
	residual := strings.TrimSpace(ok(t, append([]string{"train", "residual", "--method", "resip", "--data", demos, "--base", base, "--out", out("resip"), "--steps", "120"}, tiny...)...))
	if o := ok(t, "inspect", residual); !strings.Contains(o, "base.net.input.weight") {
		t.Errorf("inspect lacks the denoiser:\n%s", o)
	}
	if o := korr(t, "train", "base", "--resume", "--quiet", "--out", filepath.Join(dir, "nowhere")); o.code != cli.ExitUsage {
		t.Errorf("resume of nothing: %+v", o)
	}
}

func TestSamplerOfTheSettings(t *testing.T) {
	cfg := diffusion.Config{Arch: diffusion.ArchMLP, ObsDim: 2, ActDim: 2, Horizon: 2, StepDim: 4, Width: 4, Blocks: 1}
	n := &basepolicy.Normalizer{Min: []float32{0, 0}, Max: []float32{1, 1}}
	d := &diffusion.Policy{Net: diffusion.NewNetwork(cfg, nil), Process: diffusion.DefaultProcess(), Sampler: diffusion.DefaultSampler(), Obs: n, Act: n}
	p := &residual.Policy{Base: d}
	for text, bad := range map[string]bool{"": false, "ddim:steps=4": false, "ddim:steps=101": true, "x": true} {
		d.Sampler = diffusion.DefaultSampler()
		if err := setDrawing(p, configs.Base{Sampler: text, Ensemble: -1}); (err != nil) != bad {
			t.Errorf("%q: %v", text, err)
		}
	}
	d.Sampler = diffusion.DefaultSampler()
	for text, bad := range map[string]bool{"reuse:n=2": false, "": false, "none": false, "speca": false, "bac": true, "hyca": true, "fast": true} {
		if err := setDrawing(p, configs.Base{Cache: text, Ensemble: -1}); (err != nil) != bad {
			t.Errorf("cache %q: %v", text, err)
		}
		d.Cache = cache.Config{}
	}
	plain := &residual.Policy{Base: basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 2, ActDim: 2, Horizon: 1}, n, n, nil)}
	if err := setDrawing(plain, configs.Base{Sampler: "ddim", Ensemble: 0.1}); err != nil {
		t.Errorf("a sampler for a policy without one: %v", err)
	}
	if _, ok := plain.Base.(basepolicy.Ensembled); !ok {
		t.Error("nothing is averaged")
	}
	if setDrawing(plain, configs.Base{Cache: "reuse", Ensemble: -1}) == nil {
		t.Error("a cache for a policy without steps was accepted")
	}
}

// TestEveryDiffusionSettingReachesTheTrainer sets each number to a value of its own and looks for it.
func TestEveryDiffusionSettingReachesTheTrainer(t *testing.T) {
	c, err := configs.Load(configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := &c.Base
	b.Arch, b.Steps, b.Batch, b.LR, b.WarmUp, b.WeightDecay, b.GradClip, b.EMAPower, b.EMAMax = "diffusion-unet", 11, 12, 13, 14, 15, 16, 0.17, 0.18
	b.Horizon, b.StepEmbedDim, b.DownDims, b.Kernel, b.Groups = 20, 22, []int{24, 26}, 27, 2
	b.DiffusionSteps, b.Schedule, b.Prediction, b.ClipSample = 60, "linear", "v", false
	b.ValFraction, b.Quaternions, b.CheckpointEvery, b.Sampler = 0.5, true, 29, "ddpm:steps=30"
	got, err := diffusionConfig(c, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := got
	want.Steps, want.Batch, want.LR, want.WarmUp, want.WeightDecay, want.GradClip, want.EMAPower, want.EMAMax = 11, 12, 13, 14, 15, 16, 0.17, 0.18
	want.Network = diffusion.Config{Arch: "unet", Horizon: 20, StepDim: 22, DownDims: []int{24, 26}, Kernel: 27, Groups: 2}
	want.Process = diffusion.Process{Steps: 60, Schedule: "linear", Prediction: "v"}
	want.Sampler = diffusion.SamplerConfig{Method: "ddpm", Steps: 30, Warm: "consistent", WarmStep: 30}
	want.ValFraction, want.Quaternions, want.CheckpointEvery, want.Seed, want.Shards = 0.5, true, 29, c.Seed, 3
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	b.Arch, b.Width, b.Blocks, b.Heads = "diffusion-transformer", 32, 3, 4
	if got, _ = diffusionConfig(c, 1); got.Network.Width != 32 || got.Network.Blocks != 3 || got.Network.Heads != 4 {
		t.Errorf("%+v", got.Network)
	}
}
