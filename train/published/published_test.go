package published

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/internal/nn"
	"korr/internal/seed"
	"korr/internal/tensorfile"
	"korr/internal/torchfile"
	"korr/koopman"
	"korr/residual"
)

// goalOf reads the goal of testdata's goal-conditioned policy.
func goalOf(t *testing.T) []float32 {
	t.Helper()
	f, err := tensorfile.Read("testdata/korr_goal/published_layout_expected.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	g, err := f.Get("goal_obs")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func checkpoint(folder string) string {
	return filepath.Join("testdata", folder, "published_layout_actor_chkpt.pt")
}

// TestClasses: what is imported is of the right class, keeps what acting does not need, and acts alike after a way
// through a file. That it acts as PyTorch does, train/verify tests.
func TestClasses(t *testing.T) {
	for class, kept := range map[Class]int{
		ClassBase: 0, ClassKORR: 10, ClassKORRGoal: 10, ClassResiP: 7,
		ClassDynamics: 7,
	} {
		c, err := ReadCheckpoint(checkpoint(string(class)), Options{Goal: goalOf(t)})
		if err != nil {
			t.Fatal(class, err)
		}
		if c.Class != class || len(c.Kept) != kept || c.Policy.Task != "lamp" || c.Policy.Execute != 4 ||
			c.Sampler().Steps != 5 || c.Sampler().Warm != diffusion.WarmPublished {
			t.Errorf("%s: %s, kept %q, sampler %+v, task %q", class, c.Class, c.Kept, c.Sampler(), c.Policy.Task)
		}
		f, err := c.File()
		if err != nil {
			t.Fatal(class, err)
		}
		path := filepath.Join(t.TempDir(), "p.safetensors")
		if err := tensorfile.Write(path, f); err != nil {
			t.Fatal(class, err)
		}
		var p *residual.Policy
		if class == ClassBase {
			b, err := basepolicy.Load(path)
			if err != nil {
				t.Fatal(class, err)
			}
			p = &residual.Policy{Method: residual.MethodBase, Base: b, Execute: 4}
		} else if p, err = residual.Load(path, nil); err != nil {
			t.Fatal(class, err)
		}
		want, got := act(t, c.Policy), act(t, p)
		if !equal(want, got) {
			t.Errorf("%s: %v after a way through a file, %v before", class, got, want)
		}
	}
}

// act is the first action of an episode, and the ninth.
func act(t *testing.T, p *residual.Policy) []float32 {
	t.Helper()
	c := must(p.NewController(nil))
	c.Reset(3)
	obs, out := make([]float32, p.Base.About().ObsDim()), make([]float32, 10)
	for i := range obs {
		obs[i] = float32(i%5)/10 - 0.2
	}
	var all []float32
	for range 9 {
		if err := c.ActTo(out, obs); err != nil {
			t.Fatal(err)
		}
		all = append(all, out...)
	}
	return all
}

// equal allows for sums in another order: vector instructions split them by where the weights lie in memory.
func equal(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) < 1e-6 })
}

// TestRefusedCheckpoints changes a state dictionary or configuration in one way each.
func TestRefusedCheckpoints(t *testing.T) {
	nan := float32(math.NaN())
	tensor := func(name string, f func(x *tensorfile.Tensor)) func(*tensorfile.File, *config) {
		return func(s *tensorfile.File, _ *config) {
			x, ok := s.Lookup(name)
			if !ok {
				t.Fatal(name)
			}
			f(x)
		}
	}
	for name, c := range map[string]struct {
		spoil func(*tensorfile.File, *config)
		want  string
	}{
		"NaN in the unet": {
			tensor("model.final_conv.1.bias", func(x *tensorfile.Tensor) { x.F32[3] = nan }),
			`"model.final_conv.1.bias" holds NaN at element 3`,
		},
		"infinity in A": {
			tensor(gAffine, func(x *tensorfile.Tensor) { x.F32[0] = float32(math.Inf(1)) }),
			"_g_affine",
		},
		"NaN in the critic": {
			tensor(criticKORR+"0.bias", func(x *tensorfile.Tensor) { x.F32[0] = nan }),
			"critic.backbone.0.bias",
		},
		"NaN in the normaliser": {
			tensor(statsPrefix+"action.max", func(x *tensorfile.Tensor) { x.F32[0] = nan }),
			"action.max",
		},
		"an empty range": {
			tensor(statsPrefix+"action.max", func(x *tensorfile.Tensor) { x.F32[0] = -9 }),
			"dimension 0 runs from",
		},
		"another width": {tensor(liftPrefix+"2.weight", func(x *tensorfile.Tensor) {
			x.Shape[1], x.F32 = 7,
				x.F32[:63]
		}), "lift_transform.2.weight"},
		"transposed": {tensor(uAffine, func(x *tensorfile.Tensor) { slices.Reverse(x.Shape) }), "_u_affine"},
		"other observations": {tensor(statsPrefix+"parts_poses.max", func(x *tensorfile.Tensor) {
			x.Shape[0], x.F32 = 14,
				x.F32[:14]
		}), "normalizer"},
		"missing": {tensor(inversePrefix+"0.bias",
			func(x *tensorfile.Tensor) { x.Name = "residual_policy.other" }), "inverse_dynamics.0.bias"},
		"an image encoder": {
			func(s *tensorfile.File, _ *config) { s.Add("encoder1.conv.weight", []float32{1}) },
			`"encoder1.conv.weight"`,
		},
		"horizon":                {func(_ *tensorfile.File, c *config) { c.PredHorizon = 33 }, "horizon is 33"},
		"groups":                 {func(_ *tensorfile.File, c *config) { c.Actor.Network.Groups = 7 }, "groups"},
		"steps of inference":     {func(_ *tensorfile.File, c *config) { c.Actor.InferenceSteps = 1000 }, "1000"},
		"unknown beta schedule":  {func(_ *tensorfile.File, c *config) { c.Actor.BetaSchedule = "sigmoid" }, "sigmoid"},
		"infinitely many levels": {func(_ *tensorfile.File, c *config) { c.Actor.NumDiffusionIters = 1 << 40 }, "steps"},
	} {
		r := state(t, ClassKORR)
		c.spoil(r.f, &r.cfg)
		_, _, err := r.policy(Options{})
		if err == nil {
			_, err = r.rest()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for field, set := range map[string]func(*config){
		"actor_activation": func(c *config) { c.Actor.Residual.ActorActivation = "SiLU" },
		"obs_horizon":      func(c *config) { c.ObsHorizon = 2 },
		"control_mode":     func(c *config) { c.Control.ControlMode = "delta" },
		"act_rot_repr":     func(c *config) { c.Control.ActRotRepr = "quat" },
		"name":             func(c *config) { c.Actor.Network.Name = "transformer" },
		"action_horizon":   func(c *config) { c.ActionHorizon = 99 },
		"action_scale":     func(c *config) { c.Actor.Residual.ActionScale = math.NaN() },
	} {
		c := defaultConfig()
		set(&c)
		if err := c.validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := ReadCheckpoint(checkpoint("korr_goal"), Options{}); err == nil || !strings.Contains(err.Error(), "goal") {
		t.Errorf("without its goal: %v", err)
	}
	if _, err := ReadCheckpoint("testdata/demos.json", Options{}); !errors.Is(err, torchfile.ErrMalformed) {
		t.Errorf("no checkpoint: %v", err)
	}
}

// state reads a class's state dictionary and configuration.
func state(t *testing.T, class Class) *reader {
	t.Helper()
	v, err := torchfile.Read(checkpoint(string(class)))
	if err != nil {
		t.Fatal(err)
	}
	top := v.(*torchfile.Dict)
	weights, _ := top.Get("model_state_dict")
	settings, _ := top.Get("config")
	f, err := tensors(weights.(*torchfile.Dict))
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := readConfig(settings)
	if err != nil {
		t.Fatal(err)
	}
	return &reader{f: f, used: map[string]bool{}, cfg: cfg}
}

// trained is a policy as training here leaves it, with a published form.
func trained(t *testing.T, method residual.Method) *residual.Policy {
	t.Helper()
	rng := seed.Stream(1, "published/test", 0)
	n := func(d int) *basepolicy.Normalizer {
		x := &basepolicy.Normalizer{}
		for i := range d {
			x.Min, x.Max = append(x.Min, -1-float32(i)), append(x.Max, 2)
		}
		return x
	}
	net := diffusion.NewNetwork(diffusion.Config{
		Arch: diffusion.ArchUNet, ObsDim: 37, ActDim: 10, Horizon: 8, StepDim: 6,
		DownDims: []int{4, 8}, Kernel: 3, Groups: 2,
	}, rng)
	p := &residual.Policy{
		Method: method, Task: "lamp", Alpha: 0.05, Squash: residual.Linear, Execute: 4,
		Base: &diffusion.Policy{
			Net: net, Process: diffusion.DefaultProcess(), Sampler: diffusion.DefaultSampler(),
			Obs: n(37), Act: n(10),
		},
	}
	if method == residual.MethodKORR {
		m, err := koopman.New(koopman.Config{ObsDim: 37, ActDim: 10, LatentDim: 9, Hidden: []int{8}}, rng)
		if err != nil {
			t.Fatal(err)
		}
		p.Koopman, p.Actor = m, nn.NewMLP(nn.MLPConfig{In: 9, Hidden: []int{8}, Out: 10, LastStd: 1}, rng)
	} else {
		p.Actor = withColumns(nn.NewMLP(nn.MLPConfig{In: 47, Hidden: []int{8}, Out: 10, LastStd: 1}, rng), 51)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExportOfOurOwn: a policy that was trained here is read back, through its published names, with the same weights.
func TestExportOfOurOwn(t *testing.T) {
	for method, class := range map[residual.Method]Class{
		residual.MethodKORR:  ClassKORR,
		residual.MethodResiP: ClassResiP,
	} {
		p := trained(t, method)
		f, err := p.File()
		if err != nil {
			t.Fatal(err)
		}
		out, err := Export(p, f)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{f: out, used: map[string]bool{}, cfg: defaultConfig()}
		r.cfg.PredHorizon, r.cfg.ActionHorizon, r.cfg.Actor.Network.Groups = 8, 4, 2
		r.cfg.Actor.Residual.ActionScale = 0.05
		q, got, err := r.policy(Options{Task: "lamp"})
		if err != nil || got != class {
			t.Fatal(got, err)
		}
		q.Base.(*diffusion.Policy).Sampler = p.Base.(*diffusion.Policy).Sampler
		if want, got := act(t, p), act(t, q); !equal(want, got) {
			t.Errorf("%s: %v\nwant %v", method, got, want)
		}
		for _, part := range []string{`"pred_horizon":8`, `"down_dims":[4,8]`, `"action_scale":0.05`, `"task":"lamp"`} {
			if !strings.Contains(strings.ReplaceAll(out.Meta["config"], "0.05000000074505806", "0.05"), part) {
				t.Errorf("no %s in %s", part, out.Meta["config"])
			}
		}
	}
}

// TestNotExported: what the published classes cannot be is refused with what is in the way.
func TestNotExported(t *testing.T) {
	for want, spoil := range map[string]func(p *residual.Policy){
		"tanh":      func(p *residual.Policy) { p.Squash = residual.Tanh },
		"lead":      func(p *residual.Policy) { p.Actor.Params()[0].Data[48] = 1 },
		"raw poses": func(p *residual.Policy) { p.Base.(*diffusion.Policy).Obs.Poses = 2 },
		"not a diffusion unet": func(p *residual.Policy) {
			p.Base = basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 37, ActDim: 10, Horizon: 8, Hidden: []int{4}},
				p.Base.About().Obs, p.Base.About().Act, nil)
		},
	} {
		p := trained(t, residual.MethodResiP)
		spoil(p)
		if _, err := Export(p, &tensorfile.File{}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestPyTorchLoadsExport: PyTorch reads the exported golden policy, and finds every tensor and the configuration equal
// to the checkpoint's.
func TestPyTorchLoadsExport(t *testing.T) {
	if testing.Short() {
		t.Skip("starts PyTorch")
	}
	c, err := ReadCheckpoint(checkpoint("golden"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.File()
	if err != nil {
		t.Fatal(err)
	}
	out, err := Export(c.Policy, f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if err := tensorfile.Write(path, out); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("/usr/bin/python3", "../../examples/python/load_export.py", path,
		checkpoint("golden")).CombinedOutput()
	if errors.Is(err, os.ErrNotExist) || strings.Contains(string(b), "No module named 'torch'") {
		t.Skip("no python3 with torch")
	}
	if err != nil || !strings.Contains(string(b), "every tensor and the configuration are equal") {
		t.Errorf("%v\n%s", err, b)
	}
}

// FuzzCheckpoint: no change of a whole checkpoint makes the import panic.
func FuzzCheckpoint(f *testing.F) {
	b, err := os.ReadFile(checkpoint("resip"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(100, byte(1))
	f.Add(len(b)-100, byte(255))
	f.Fuzz(func(_ *testing.T, at int, with byte) {
		c := slices.Clone(b)
		c[uint(at)%uint(len(c))] ^= with
		if v, err := torchfile.Decode(c); err == nil {
			if p, err := decode(v, "x", Options{}); err == nil {
				must(p.Policy.NewController(nil))
			}
		}
	})
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
