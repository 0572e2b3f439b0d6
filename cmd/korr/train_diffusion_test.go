//go:build mujoco

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/train/imitation"
	"korr/train/lab"
)

// tinyDiffusion are networks that take no time.
var tinyDiffusion = append([]string{
	"--set", "base.horizon=8",
	"--set", "base.batch=16", "--set", "base.val_fraction=0.3",
}, tiny...)

// TestDiffusionPipeline trains every kind of base policy but mlp-bc, goes on with one, lets it act with another sampler
// and refines it.
func TestDiffusionPipeline(t *testing.T) {
	dir := t.TempDir()
	demos := filepath.Join(dir, "demos")
	ok(t, append([]string{"collect", "--out", demos}, tiny...)...)
	out := func(arch string) string { return filepath.Join(dir, arch) }
	var trained lab.Trained
	for _, arch := range imitation.Archs()[1:] {
		decodeOne(t, ok(t, append([]string{
			"train", "base", "--json", "--arch", arch, "--data", demos, "--out", out(arch),
			"--steps", "4",
		}, tinyDiffusion...)...), &trained)
		p, err := basepolicy.Load(trained.Checkpoint)
		if err != nil {
			t.Fatal(err)
		}
		d, diffuses := p.(*diffusion.Policy)
		if diffuses != strings.HasPrefix(arch, "diffusion-") || diffuses && "diffusion-"+d.Net.Config().Arch != arch {
			t.Errorf("%s was trained, a %T was loaded", arch, p)
		}
		if task := p.About().Origin.Task; task != "one_leg" {
			t.Errorf("%s: trained for %q", arch, task)
		}
	}
	arch := imitation.Archs()[1]
	if again := korr(t, "train", "base", "--resume", "--quiet", "--out", out(arch)); again.code != cli.ExitOK {
		t.Errorf("resume of a finished run: %+v", again)
	}
	if again := korr(t, "train", "base", "--resume", "--quiet", "--out", out(arch), "--set",
		"base.lr=0.1"); again.code != cli.ExitFailure || !strings.Contains(again.err, "other settings") {
		t.Errorf("resume with another learning rate: %+v", again)
	}
	base := filepath.Join(out(arch), "checkpoints", "base.safetensors")
	ok(t, append([]string{
		"eval", "--policy", base, "--episodes", "1", "--perturb", "off", "--set",
		"base.sampler=dpm++:steps=3,warm=none",
	}, tiny...)...)
	compareCaches(t, dir, base, demos)
	if o := korr(t, append([]string{
		"eval", "--policy", base, "--episodes", "1", "--quiet", "--set",
		"base.sampler=ddim:steps=500",
	}, tiny...)...); o.code != cli.ExitUsage {
		t.Errorf("a sampler of 500 of 100 steps: %+v", o)
	}
	residual := strings.TrimSpace(ok(t, append([]string{
		"train", "residual", "--method", "resip", "--data", demos,
		"--base", base, "--out", out("resip"), "--steps", "120",
	}, tiny...)...))
	if o := ok(t, "inspect", residual); !strings.Contains(o, "base.net.input.weight") {
		t.Errorf("inspect lacks the denoiser:\n%s", o)
	}
	if o := korr(t, "train", "base", "--resume", "--quiet", "--out", filepath.Join(dir,
		"nowhere")); o.code != cli.ExitUsage {
		t.Errorf("resume of nothing: %+v", o)
	}
}
