package residual

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/koopman"
)

// testFeatures are 13 numbers, as wide as a task's.
type testFeatures struct{}

func (testFeatures) Dim() int { return 13 }

func (testFeatures) DetailDim() int { return 3 }

func (testFeatures) DetailTo(dst, obsRaw []float32) { copy(dst[:3], obsRaw[20:]) }

func (testFeatures) FeaturesTo(dst, obsRaw []float32) {
	for i := range dst {
		dst[i] = obsRaw[i] - obsRaw[i+20]
	}
}

// testPolicy is a policy of random networks in the shapes of the product, or smaller ones.
func testPolicy(t testing.TB, method Method, features, small bool) *Policy {
	t.Helper()
	rng := rand.New(rand.NewPCG(8, 9))
	d, latent, width, chunk, lift := 58, 128, 128, 384, []int{256, 256}
	if small {
		latent, width, chunk, lift = 76, 16, 24, []int{16}
	}
	if features {
		d += 13
	}
	cfg := basepolicy.MLPConfig{ObsDim: 58, ActDim: 10, Horizon: 32, Hidden: []int{chunk, chunk, chunk}}
	p := &Policy{
		Method: method, Task: "one_leg", Base: basepolicy.NewMLP(cfg, identity(58), identity(10), rng),
		Alpha: 0.1, Execute: 8, Features: features, Meta: map[string]string{"seed": "7"},
	}
	in := d + 10 + leadDim + 1
	if method == MethodKORR {
		var err error
		p.Koopman, err = koopman.New(koopman.Config{
			ObsDim: d, ActDim: 10, LatentDim: latent, Hidden: lift,
			StateInclusive: true,
		}, rng)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.Koopman.B.Data {
			p.Koopman.B.Data[i] = 0.1 * float32(rng.NormFloat64())
		}
		in = latent
	}
	if method != MethodBase {
		p.Actor = nn.NewMLP(nn.MLPConfig{
			In: in, Hidden: []int{width, width}, Out: 10, OutputBias: true, LastStd: 0.5,
			LayerNorm: small,
		}, rng)
	}
	return p
}

// play returns the actions of 20 ticks on fixed observations.
func play(t *testing.T, c *Controller) []float32 {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	obs, act, all := make([]float32, 58), make([]float32, 10), []float32{}
	c.Reset(3)
	for range 20 {
		for i := range obs {
			obs[i] = float32(rng.NormFloat64())
		}
		if _, err := c.StepTo(act, obs); err != nil {
			t.Fatal(err)
		}
		all = append(all, act...)
	}
	return all
}

// reload returns p as it comes back from a file.
func reload(t *testing.T, p *Policy) *Policy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := p.Save(path); err != nil {
		t.Fatal(err)
	}
	q, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPolicyRoundTrip(t *testing.T) {
	seen := map[string]bool{}
	for _, method := range []Method{MethodBase, MethodResiP, MethodKORR} {
		for _, features := range []bool{false, true} {
			p := testPolicy(t, method, features, true)
			if method == MethodKORR {
				p.Squash = Linear
			}
			q := reload(t, p)
			if err := p.Fold(); err != nil { // as Load does
				t.Fatal(err)
			}
			want := play(t, must(p.NewController(testFeatures{})))
			if got := play(t, must(q.NewController(testFeatures{}))); !slices.Equal(got, want) {
				t.Errorf("%s, features %t: the loaded policy acts otherwise", method, features)
			}
			if q.Task != p.Task || q.Execute != 8 || q.Alpha != 0.1 || q.Squash != p.Squash ||
				q.Meta["seed"] != "7" || q.Features != features {
				t.Errorf("loaded %+v", q)
			}
			if method != MethodBase && slices.Equal(want,
				play(t, must(testPolicy(t, MethodBase, features, true).NewController(testFeatures{})))) {
				t.Errorf("%s does what the base does: the test compares nothing", method)
			}
			seen[string(method)] = true
		}
	}
	if len(seen) != 3 {
		t.Error(seen)
	}
}

// TestFocusedPolicy: the focus travels in the checkpoint, and an actor of another width or without features is refused.
func TestFocusedPolicy(t *testing.T) {
	p := testPolicy(t, MethodResiP, true, true)
	p.Focus = Focus{State: 16, Detail: 3}
	p.Actor = nn.NewMLP(nn.MLPConfig{
		In: 16 + 13 + 10 + leadDim + 1 + 3, Hidden: []int{16}, Out: 10, OutputBias: true,
		LastStd: 0.5,
	}, rand.New(rand.NewPCG(3, 4)))
	q := reload(t, p)
	want := play(t, must(p.NewController(testFeatures{})))
	if q.Focus != p.Focus || !slices.Equal(play(t, must(q.NewController(testFeatures{}))), want) {
		t.Errorf("the loaded policy focuses on %+v and acts otherwise", q.Focus)
	}
	if n := testing.AllocsPerRun(20, tick(t, p)); n != 0 {
		t.Errorf("%v allocations a tick", n)
	}
	for name, change := range map[string]func(p *Policy){
		"no robot":       func(p *Policy) { p.Focus = Focus{Detail: 3} },
		"too wide":       func(p *Policy) { p.Focus.State = 59 },
		"no features":    func(p *Policy) { p.Features = false },
		"published korr": func(p *Policy) { *p = *testPolicy(t, MethodKORR, true, true); p.Focus = Focus{16, 3} },
	} {
		bad := *p
		change(&bad)
		if err := bad.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoadRefusesAnotherBase(t *testing.T) {
	p := testPolicy(t, MethodResiP, false, true)
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := p.Save(path); err != nil {
		t.Fatal(err)
	}
	if shared, err := Load(path, p.Base); err != nil || shared.Base != p.Base {
		t.Errorf("with the base given: %v", err)
	}
	other := testPolicy(t, MethodBase, false, true).Base
	if _, err := Load(path, other); err != nil {
		t.Fatalf("an equal base was refused: %v", err)
	}
	other.(*basepolicy.MLP).Net.Params()[0].Data[5] += 1e-6
	if _, err := Load(path, other); !errors.Is(err, ErrOtherBase) {
		t.Errorf("err = %v, want ErrOtherBase", err)
	}
	other = testPolicy(t, MethodBase, false, true).Base
	other.About().Act.Max[2] = 1.5
	if _, err := Load(path, other); !errors.Is(err, ErrOtherBase) {
		t.Errorf("err = %v, want ErrOtherBase for another normaliser", err)
	}
}

func TestValidate(t *testing.T) {
	for name, spoil := range map[string]func(p *Policy){
		"no base":            func(p *Policy) { p.Base = nil },
		"no actor":           func(p *Policy) { p.Actor = nil },
		"no koopman":         func(p *Policy) { p.Koopman = nil },
		"base with actor":    func(p *Policy) { p.Method = MethodBase },
		"unknown method":     func(p *Policy) { p.Method = "ppo" },
		"execute 0":          func(p *Policy) { p.Execute = 0 },
		"execute 33":         func(p *Policy) { p.Execute = 33 },
		"alpha":              func(p *Policy) { p.Alpha = -0.1 },
		"squash":             func(p *Policy) { p.Squash = 3 },
		"features":           func(p *Policy) { p.Features = false },
		"resip's actor":      func(p *Policy) { p.Method = MethodResiP },
		"actor width":        func(p *Policy) { p.Actor = nn.NewMLP(nn.MLPConfig{In: 75, Out: 10}, nil) },
		"actor output":       func(p *Policy) { p.Actor = nn.NewMLP(nn.MLPConfig{In: 76, Out: 9}, nil) },
		"koopman's own base": func(p *Policy) { p.Koopman = testPolicy(t, MethodKORR, false, true).Koopman },
	} {
		p := testPolicy(t, MethodKORR, true, true)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(p)
		if err := p.Validate(); !errors.Is(err, ErrPolicy) {
			t.Errorf("%s: err = %v", name, err)
		}
		if err := p.Save(filepath.Join(t.TempDir(), "x")); err == nil {
			t.Errorf("%s was saved", name)
		}
	}
	watched := testPolicy(t, MethodResiP, true, true)
	watched.Koopman = testPolicy(t, MethodKORR, true, true).Koopman
	if err := watched.Validate(); err != nil {
		t.Errorf("a Koopman model that only watches: %v", err)
	}
}

// TestNewControllerRefuses: features that are not the policy's, and a policy that Validate refuses, are errors, of a
// controller on the clock as well.
func TestNewControllerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		feats Features
		alter func(p *Policy)
		want  error
	}{
		"no features":      {nil, func(*Policy) {}, ErrFeatures},
		"narrow features":  {sumFeatures{}, func(*Policy) {}, ErrFeatures},
		"another task's":   {named{testFeatures{}, "lamp"}, func(p *Policy) { p.Task = "one_leg" }, ErrFeatures},
		"other details":    {testFeatures{}, func(p *Policy) { p.Focus = Focus{16, 2} }, ErrFeatures},
		"invalid":          {testFeatures{}, func(p *Policy) { p.Execute = 99 }, ErrPolicy},
		"the task's":       {named{testFeatures{}, "one_leg"}, func(p *Policy) { p.Task = "one_leg" }, nil},
		"of no named task": {testFeatures{}, func(p *Policy) { p.Task = "one_leg" }, nil},
	} {
		p := testPolicy(t, MethodResiP, true, true)
		c.alter(p)
		if ctl, err := p.NewController(c.feats); !errors.Is(err, c.want) || (ctl == nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		ctl, ahead, err := p.NewAheadController(c.feats, basepolicy.AheadConfig{Lead: 1, Bridge: 4})
		if !errors.Is(err, c.want) || (ctl == nil) != (c.want != nil) {
			t.Errorf("%s, planned ahead: %v", name, err)
		}
		if ahead != nil {
			ahead.Close()
		}
	}
}

// named are features that know their task.
type named struct {
	testFeatures
	task string
}

func (n named) TaskName() string { return n.task }

// TestStepRefusesOtherWidths: slices that are too short, and an observation of another task, are errors that leave the
// controller as it was.
func TestStepRefusesOtherWidths(t *testing.T) {
	p := testPolicy(t, MethodKORR, true, true)
	c := must(p.NewController(testFeatures{}))
	c.Reset(1)
	raw, u := c.enc.RawDim(), c.enc.ActDim()
	for _, n := range [][2]int{{0, u}, {raw - 1, u}, {raw + 7, u}, {raw, u - 1}, {raw, 0}} {
		if _, err := c.StepTo(make([]float32, n[1]), make([]float32, n[0])); !errors.Is(err, ErrWidth) {
			t.Errorf("%d observed, %d commanded: %v", n[0], n[1], err)
		}
		if err := c.ActTo(make([]float32, n[1]), make([]float32, n[0])); !errors.Is(err, ErrWidth) {
			t.Errorf("%d observed, %d commanded: %v", n[0], n[1], err)
		}
	}
	want := play(t, must(p.NewController(testFeatures{})))
	if got := play(t, c); !slices.Equal(got, want) {
		t.Error("a refused step left something behind")
	}
}

func TestControllersShareNothing(t *testing.T) {
	p := testPolicy(t, MethodKORR, true, true)
	want := play(t, must(p.NewController(testFeatures{})))
	done := make(chan []float32)
	for range 4 {
		c := must(p.NewController(testFeatures{}))
		go func() { done <- play(t, c) }()
	}
	for range 4 {
		if got := <-done; !slices.Equal(got, want) {
			t.Error("controllers of one policy disturb each other")
		}
	}
}

// TestLoadRefusesDamage cuts, flips and re-labels a checkpoint.
func TestLoadRefusesDamage(t *testing.T) {
	p := testPolicy(t, MethodKORR, true, true)
	good, err := p.File()
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := good.Encode()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut")
	for _, n := range []int{0, 7, 100, len(bytes) / 2, len(bytes) - 1} {
		if err := os.WriteFile(path, bytes[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path, nil); err == nil {
			t.Errorf("a file cut to %d bytes was loaded", n)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "absent"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	for name, spoil := range map[string]func(f *tensorfile.File){
		"another format": func(f *tensorfile.File) { f.SetMeta("format", "x") },
		"no policy":      func(f *tensorfile.File) { f.SetMeta("policy", "{") },
		"unknown squash": func(f *tensorfile.File) { f.SetMeta("policy", `{"squash":"relu"}`) },
		"unknown setting": func(f *tensorfile.File) {
			f.SetMeta("policy", strings.Replace(f.Meta["policy"], "{", `{"alpha_gripper":1.5,`, 1))
		},
		"base changed":    func(f *tensorfile.File) { lookup(t, f, "base.net.0.weight").F32[0]++ },
		"koopman missing": func(f *tensorfile.File) { lookup(t, f, "koopman.A").Name = "koopman.C" },
		"actor mis-shaped": func(f *tensorfile.File) {
			slices.Reverse(lookup(t, f, "actor.2.weight").Shape)
			lookup(t, f, "actor.0.weight").Shape[0]++
		},
		"actor not finite": func(f *tensorfile.File) {
			lookup(t, f, "actor.0.bias").F32[0] /= 0 * lookup(t, f, "actor.0.bias").F32[0]
		},
		"actor of millions": func(f *tensorfile.File) { f.SetMeta("policy", giant(f.Meta["policy"])) },
	} {
		f, err := tensorfile.Decode(bytes)
		if err != nil {
			t.Fatal(err)
		}
		spoil(f)
		if _, err := LoadFrom(f, nil); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func lookup(t *testing.T, f *tensorfile.File, name string) *tensorfile.Tensor {
	t.Helper()
	tensor, ok := f.Lookup(name)
	if !ok {
		t.Fatalf("no tensor %q", name)
	}
	return tensor
}

// giant claims hidden layers of 16384 in the actor's configuration.
func giant(policy string) string {
	return strings.Replace(policy, `"hidden":[16,16]`, `"hidden":[16384,16384,16384]`, 1)
}

// FuzzDecode: no metadata makes the decoder panic or allocate what the file does not hold.
func FuzzDecode(f *testing.F) {
	p := testPolicy(f, MethodKORR, true, true)
	good, err := p.File()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Meta["policy"], good.Meta["base.config"], good.Meta["koopman.config"])
	f.Add(giant(good.Meta["policy"]), "{}", "null")
	f.Fuzz(func(t *testing.T, policy, base, koopman string) {
		meta := map[string]string{"format": policyFormat, "policy": policy}
		for k, v := range good.Meta {
			if _, ok := meta[k]; !ok {
				meta[k] = v
			}
		}
		meta["base.config"], meta["koopman.config"] = base, koopman
		if q, err := LoadFrom(&tensorfile.File{Meta: meta, Tensors: good.Tensors}, nil); err == nil {
			must(q.NewController(testFeatures{}))
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
