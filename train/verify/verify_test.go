package verify

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/internal/tensorfile"
)

// sources are the golden files, where other packages' tests hold some of them.
var sources = []string{
	"../../koopman/testdata/korr.safetensors", "testdata/korr_goal.safetensors",
	"../../internal/nn/testdata/resip.safetensors",
	"testdata/resip_dynamics.safetensors", "../../koopman/testdata/lqr.safetensors", "testdata/gae.safetensors",
	"testdata/cache_speca.safetensors", "testdata/cache_bac.safetensors",
	"testdata/carp_tokenizer.safetensors", "testdata/carp_ar.safetensors", "testdata/moe_router.safetensors",
	"../../internal/geom/testdata/geometry.safetensors",
}

// golden copies the golden files whose name holds part into a new folder.
func golden(t *testing.T, part string) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range sources {
		if !strings.Contains(filepath.Base(path), part) {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Run(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mustPass(t *testing.T, r *Report) {
	t.Helper()
	for _, c := range r.Checks {
		if !c.OK && c.Error != nil {
			t.Errorf("%s %s: error %.2g, at most %.0g", c.File, c.Quantity, *c.Error, c.Tolerance)
		} else if !c.OK {
			t.Errorf("%s %s: %s", c.File, c.Quantity, c.Note)
		}
	}
	if !r.Passed {
		t.Error("not passed")
	}
}

func failures(r *Report) []string {
	var names []string
	for _, c := range r.Checks {
		if !c.OK {
			names = append(names, c.Quantity)
		}
	}
	return names
}

func TestGolden(t *testing.T) {
	r := run(t, golden(t, ""))
	mustPass(t, r)
	files := map[string]int{}
	for _, c := range r.Checks {
		files[c.File]++
	}
	want := map[string]int{
		"korr": 52, "korr_goal": 53, "resip": 35, "resip_dynamics": 45, "lqr": 33, "gae": 3,
		"geometry": 5, "cache_speca": 74, "cache_bac": 16, "carp_tokenizer": 326, "carp_ar": 52, "moe_router": 31,
	}
	for name, n := range want {
		if files[name+".safetensors"] != n {
			t.Errorf("%s: %d checks, want %d", name, files[name+".safetensors"], n)
		}
	}
}

// edit rewrites a golden file of a folder.
func edit(t *testing.T, path string, change func(*tensorfile.File)) {
	t.Helper()
	f, err := tensorfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	change(f)
	if err := tensorfile.Write(path, f); err != nil {
		t.Fatal(err)
	}
}

// TestEveryOutputCounts: a reference off by three tolerances fails its check and no other.
func TestEveryOutputCounts(t *testing.T) {
	for _, name := range []string{"resip.safetensors", "lqr.safetensors", "gae.safetensors", "geometry.safetensors"} {
		dir := golden(t, name)
		path := filepath.Join(dir, name)
		good, err := tensorfile.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		rounded := name == "lqr.safetensors" // rewriting makes floats of its doubles
		for _, c := range run(t, dir).Checks {
			tensor, _, _ := strings.Cut(c.Quantity, " ")
			if tensor == "rot6d" || tensor == "param_after3.actor_logstd" || rounded && strings.HasSuffix(tensor, ".5") {
				continue // an input too; a change of zero; the cost itself
			}
			edit(t, path, func(f *tensorfile.File) {
				*f = tensorfile.File{Meta: good.Meta, Tensors: slices.Clone(good.Tensors)}
				i := slices.IndexFunc(f.Tensors, func(x tensorfile.Tensor) bool { return x.Name == tensor })
				f.Tensors[i].F32 = slices.Clone(f.Tensors[i].F32)
				if after, ok := strings.CutPrefix(tensor, "param_after3."); ok {
					before, _ := f.Get("param." + after)
					for k, v := range f.Tensors[i].F32 {
						f.Tensors[i].F32[k] = before[k] + (v-before[k])*(1+3*Change)
					}
					return
				}
				bend(f.Tensors[i].F32, float32(3*c.Tolerance))
			})
			for _, q := range failures(run(t, dir)) {
				if strings.TrimSuffix(q, " (one step)") != tensor && !(tensor == "noisy_matrix" || tensor == "noisy_axis_angle") {
					t.Errorf("%s: bending %s failed %s", name, tensor, q)
				}
			}
			if r := run(t, dir); r.Passed {
				t.Errorf("%s: bending %s goes unnoticed", name, tensor)
			}
		}
	}
}

// bend moves the largest element by share of itself.
func bend(x []float32, share float32) {
	largest := 0
	for i, v := range x {
		if v*v > x[largest]*x[largest] {
			largest = i
		}
	}
	if x[largest] == 0 {
		x[largest] = share
	}
	x[largest] *= 1 + share
}

func TestWrongWeightFailsMuch(t *testing.T) {
	dir := golden(t, "korr.")
	edit(t, filepath.Join(dir, "korr.safetensors"), func(f *tensorfile.File) {
		x, _ := f.Get("param.actor.backbone._g_affine")
		x[5] += 0.1
	})
	got := failures(run(t, dir))
	for _, want := range []string{
		"out.z_next", "out.residual_mean", "out.model_loss",
		"grad.actor.lift_transform.0.weight",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s did not fail", want)
		}
	}
	for _, fine := range []string{"out.z", "out.value", "grad.critic.backbone.0.weight"} {
		if slices.Contains(got, fine) {
			t.Errorf("%s failed", fine)
		}
	}
}

// TestUnusableFiles: whatever is wrong with a file is a failed check that says what.
func TestUnusableFiles(t *testing.T) {
	remove := func(name string) func(*tensorfile.File) {
		return func(f *tensorfile.File) {
			f.Tensors = slices.DeleteFunc(f.Tensors, func(x tensorfile.Tensor) bool { return x.Name == name })
		}
	}
	reshape := func(name string, shape ...int) func(*tensorfile.File) {
		return func(f *tensorfile.File) {
			x, _ := f.Lookup(name)
			x.Shape = shape
			n := 1
			for _, s := range shape {
				n *= s
			}
			x.F32 = x.F32[:n]
		}
	}
	for _, c := range []struct {
		file   string
		change func(*tensorfile.File)
		want   string
	}{
		{"korr", remove("param.actor.lift_transform.0.weight"), "tensor missing"},
		{"korr", remove("out.z"), "tensor missing"},
		{"korr", remove("in.obs"), "tensor missing"},
		{"korr", func(f *tensorfile.File) { f.Add("out.z2", []float32{1}) }, "unknown"},
		{"korr", func(f *tensorfile.File) { f.Add("param.actor.lift_transform.4.bias", make([]float32, 64)) }, "bias"},
		{"korr", func(f *tensorfile.File) { f.SetMeta("kind", "resip") }, "kind"},
		{"korr", reshape("in.obs", 1, 68), "two steps"},
		{"korr", reshape("in.obs", 32, 8), "want two steps or more, and observations"},
		{"korr", reshape("param.actor.inverse_dynamics.0.weight", 48, 60), "a network maps 60 values"},
		{"korr", reshape("param.actor.lift_transform.2.weight", 48, 40), "wrong shape"},
		{"korr", reshape("param.actor.backbone._g_affine", 64, 60), "wrong shape"},
		{"korr", reshape("out.policy_loss", 0), "want one number"},
		{"korr_goal", reshape("in.goal_obs", 58), "wrong shape"},
		{"resip", reshape("out.value", 32), "wrong shape"},
		{"resip_dynamics", reshape("param.actor_dyn.4.weight", 50, 48), "a network maps"},
		{"lqr", remove("track.K.4"), "tensor missing"},
		{"lqr", remove("regulate.K.4"), "horizon is 5"},
		{"lqr", func(f *tensorfile.File) { f.SetMeta("horizon", "x") }, "want a number"},
		{"lqr", reshape("goal", 5), "a goal of 5 numbers"},
		{"gae", reshape("values", 39, 5), "wrong shape"},
		{"gae", func(f *tensorfile.File) { f.SetMeta("gamma", "0.5") }, ""},
		{"geometry", reshape("rot6d", 0, 6), "wrong shape"},
	} {
		dir := golden(t, c.file+".")
		edit(t, filepath.Join(dir, c.file+".safetensors"), c.change)
		r := run(t, dir)
		found := slices.ContainsFunc(r.Checks, func(k Check) bool { return !k.OK && strings.Contains(k.Note, c.want) })
		if r.Passed || !found {
			t.Errorf("%s: want a failure about %q, got %v, %+v", c.file, c.want, failures(r), r.Checks[len(r.Checks)-1])
		}
	}
}

func TestFolders(t *testing.T) {
	if _, err := Run(filepath.Join(t.TempDir(), "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
	if _, err := Run(t.TempDir()); !errors.Is(err, ErrNoReferences) {
		t.Errorf("empty folder: %v", err)
	}
	dir := golden(t, "gae.")
	for name, text := range map[string]string{
		"resip.safetensors": "junk", "unet.safetensors": "",
		"published_layout_actor_chkpt.pt": "", "kor.safetensors": "", "README.md": "",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "lqr.safetensors"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := run(t, dir)
	if r.Passed || !slices.Equal(r.Unknown, []string{"kor.safetensors"}) || !slices.Contains(r.Absent,
		"korr.safetensors") || slices.Contains(r.Absent, "unet.safetensors") {
		t.Errorf("passed %v, unknown %v, absent %v", r.Passed, r.Unknown, r.Absent)
	}
	notes := map[string]string{}
	for _, c := range r.Checks {
		if !c.OK {
			notes[c.File] = c.Note
		}
	}
	for name, want := range map[string]string{
		"resip.safetensors": "malformed",
		"lqr.safetensors":   "not a regular file: a folder", "unet.safetensors": "malformed",
		"published_layout_actor_chkpt.pt": "malformed",
	} {
		if !strings.Contains(notes[name], want) {
			t.Errorf("%s: %q, want %q", name, notes[name], want)
		}
	}
	if len(notes) != 4 {
		t.Errorf("failed: %v", notes)
	}
}
