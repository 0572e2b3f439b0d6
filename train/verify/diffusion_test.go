package verify

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/internal/tensorfile"
)

// diffusionDir is a folder with the references of the denoiser and its sampler.
func diffusionDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{unetName, "diffusion.safetensors"} {
		b, err := os.ReadFile(filepath.Join("../../basepolicy/diffusion/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDiffusionAgrees(t *testing.T) {
	r := run(t, diffusionDir(t))
	if !r.Passed || len(r.Checks) < 160 {
		t.Errorf("passed %v, %d checks", r.Passed, len(r.Checks))
	}
	for _, c := range r.Checks {
		if !c.OK {
			t.Errorf("%s %s: %+v", c.File, c.Quantity, c)
		}
	}
}

// TestDiffusionSeesDamage: one wrong number in any group of tensors fails.
func TestDiffusionSeesDamage(t *testing.T) {
	for _, damage := range []struct{ file, tensor string }{
		{unetName, "param.mid_modules.1.blocks.0.block.0.weight"},
		{unetName, "grad.up_modules.0.2.conv.weight"},
		{unetName, "out.loss"},
		{"diffusion.safetensors", "betas"},
		{"diffusion.safetensors", "ddim16.action"},
		{"diffusion.safetensors", "ddim4.timesteps"},
		{"diffusion.safetensors", "add_noise.out"},
	} {
		dir := diffusionDir(t)
		edit(t, filepath.Join(dir, damage.file), func(f *tensorfile.File) {
			x, _ := f.Lookup(damage.tensor)
			x.F32[0] += 0.05
		})
		if run(t, dir).Passed {
			t.Errorf("%s of %s is wrong and nothing noticed", damage.tensor, damage.file)
		}
	}
}

// TestUNetOfAnotherSize: sizes come from the tensors; here they are this build's
// own, so only the reading is tested.
func TestUNetOfAnotherSize(t *testing.T) {
	cfg := diffusion.Config{
		Arch: diffusion.ArchUNet, ObsDim: 7, ActDim: 3, Horizon: 12, StepDim: 10,
		DownDims: []int{6, 9, 12}, Kernel: 3, Groups: 3,
	}
	net := diffusion.NewNetwork(cfg, seed.Stream(1, "verify/unet", 0))
	const n = 2
	x, cond, target := make([]float32, n*36), make([]float32, n*7), make([]float32, n*36)
	for i := range x {
		x[i], target[i] = float32(i%7)-3, float32(i%5)-2
	}
	p := net.NewPass(n)
	y := append([]float32(nil), p.Forward(x, cond, []int{4, 60}, n)...)
	dy, loss := make([]float32, len(y)), float32(0)
	for i, v := range y {
		dy[i] = 2 * (v - target[i]) / float32(len(y))
		loss += (v - target[i]) * (v - target[i]) / float32(len(y))
	}
	p.Backward(dy)
	f := &tensorfile.File{}
	nn.SaveParams(f, "param.", net.Params())
	for _, q := range net.Params() {
		f.Add("grad."+q.Name, q.Published(q.Grad), q.Shape...)
	}
	f.Add("in.sample", x, n, 12, 3)
	f.Add("in.cond", cond, n, 7)
	f.Add("in.timestep", []float32{4, 60})
	f.Add("in.target", target, n, 12, 3)
	f.Add("out.noise_pred", y, n, 12, 3)
	f.Add("out.loss", []float32{loss})
	f.SetMeta("groups", "3")
	dir := t.TempDir()
	if err := tensorfile.Write(filepath.Join(dir, unetName), f); err != nil {
		t.Fatal(err)
	}
	if r := run(t, dir); !r.Passed {
		t.Errorf("%+v", r.Checks)
	}
	edit(t, filepath.Join(dir, unetName), func(f *tensorfile.File) { f.Meta["groups"] = "5" })
	r := run(t, dir)
	if r.Passed || !strings.Contains(r.Checks[0].Note, "groups") {
		t.Errorf("five groups of nine channels: %+v", r.Checks)
	}
}
