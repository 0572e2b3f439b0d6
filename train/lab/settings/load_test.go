package settings

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/configs"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "korr.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheDefaultFileIsTheDefaults: the preset default, which is generated, changes nothing.
func TestTheDefaultFileIsTheDefaults(t *testing.T) {
	c, err := Load(configs.Options{Preset: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if want, err := Load(configs.Options{}); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%v: the preset default is %+v, want %+v", err, c, want)
	}
}

func TestEveryPresetLoads(t *testing.T) {
	if got := configs.Presets(); len(got) < 2 {
		t.Fatalf("presets %v", got)
	}
	for _, name := range configs.Presets() {
		if _, err := Load(configs.Options{Preset: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayersOverrideEachOther(t *testing.T) {
	file := write(t, "eval:\n  episodes: 33\n  policies: [base]\nsim: {}\nbase:\n")
	steps := []struct {
		opts configs.Options
		want int
	}{
		{configs.Options{}, 20},
		{configs.Options{Preset: "quick"}, 5},
		{configs.Options{Preset: "quick", File: file}, 33},
		{configs.Options{Preset: "quick", File: file, Environ: []string{"HOME=/", "KORR_EVAL_EPISODES=44"}}, 44},
		{configs.Options{
			Preset: "quick", File: file, Environ: []string{"KORR_EVAL_EPISODES=44"},
			Set: []string{"eval.episodes=55"},
		}, 55},
		{configs.Options{Set: []string{"eval.episodes=1", "Eval.Episodes=2"}}, 2},
		{configs.Options{Set: []string{"eval.episodes=1e2"}}, 100},
	}
	for _, s := range steps {
		c, err := Load(s.opts)
		if err != nil {
			t.Fatalf("%+v: %v", s.opts, err)
		}
		if c.Eval.Episodes != s.want {
			t.Errorf("%+v: episodes %d, want %d", s.opts, c.Eval.Episodes, s.want)
		}
	}
}

func TestListsFromText(t *testing.T) {
	for _, text := range []string{"base,korr", "[base, korr]"} {
		c, err := Load(configs.Options{Environ: []string{"KORR_EVAL_POLICIES=" + text}, Set: []string{"base.hidden=64,32"}})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.Eval.Policies, []string{"base", "korr"}) || !reflect.DeepEqual(c.Base.Training.Hidden,
			[]int{64, 32}) {
			t.Errorf("%s: %v %v", text, c.Eval.Policies, c.Base.Training.Hidden)
		}
	}
}

func TestBadInputNamesKeyAndSource(t *testing.T) {
	cases := []struct {
		name string
		opts configs.Options
		want []string
	}{
		{
			"unknown key in file",
			configs.Options{File: write(t, "residual:\n  alhpa: 0.2\n")},
			[]string{"korr.yaml", "residual.alhpa", "no such key", "alpha"},
		},
		{
			"a critic that ppo lacks",
			configs.Options{Set: []string{"residual.algorithm=ppo", "residual.members=1"}},
			[]string{"residual.critic_only", "td3"},
		},
		{"expansion without a model", configs.Options{Set: []string{
			"residual.method=resip",
			"residual.value_expansion=true",
		}}, []string{"residual.value_expansion", "korr"}},
		{"expansion by a model that learns", configs.Options{Set: []string{
			"residual.condition=published",
			"residual.focus=false", "residual.members=1", "residual.value_expansion=true",
		}}, []string{
			"residual.value_expansion",
			"frozen",
		}},
		{"unknown section", configs.Options{File: write(t, "simulator:\n  task: x\n")}, []string{
			"simulator.task",
			"no such key",
		}},
		{"unknown variable", configs.Options{Environ: []string{"KORR_EVAL_EPISODE=3"}}, []string{
			"KORR_EVAL_EPISODE",
			"no such setting",
		}},
		{"unknown --set", configs.Options{Set: []string{"eval.nope=3"}}, []string{"--set", "eval.nope"}},
		{"no value", configs.Options{Set: []string{"eval.episodes"}}, []string{"--set eval.episodes", "key=value"}},
		{"fraction for a count", configs.Options{Set: []string{"eval.episodes=1.5"}}, []string{
			"eval.episodes",
			"a whole number",
		}},
		{
			"text for a number",
			configs.Options{Environ: []string{"KORR_RESIDUAL_ALPHA=big"}},
			[]string{"KORR_RESIDUAL_ALPHA", "residual.alpha", "a number"},
		},
		{
			"text for a bool",
			configs.Options{File: write(t, "residual:\n  features: maybe\n")},
			[]string{"residual.features", "true or false"},
		},
		{"negative seed", configs.Options{Set: []string{"seed=-1"}}, []string{"seed", "a whole number"}},
		{"list item", configs.Options{Set: []string{"base.hidden=64,x"}}, []string{"base.hidden", "a list"}},
		{"out of range", configs.Options{Set: []string{"residual.alpha=2"}}, []string{
			"--set", "residual.alpha",
			"at most 1",
		}},
		{
			"bad flag",
			configs.Options{Set: []string{"run.robot=ros3"}, Flags: map[string]string{"run.robot": "--robot"}},
			[]string{"config: --robot: run.robot", "ros1"},
		},
		{"bad choice", configs.Options{Set: []string{"eval.randomness=low,wild"}}, []string{
			"eval.randomness[1]", "wild",
			"low, med, high",
		}},
		{"bad YAML", configs.Options{File: write(t, "eval: [")}, []string{"korr.yaml", "line 1"}},
		{"no file", configs.Options{File: "/does/not/exist.yaml"}, []string{"/does/not/exist.yaml", "no such file"}},
		{"no preset", configs.Options{Preset: "huge"}, []string{
			"preset huge",
			"default, diffusion, one_leg, published, quick",
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.opts)
			var ce *configs.Error
			if !errors.As(err, &ce) {
				t.Fatalf("error %v is not a *configs.Error", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
}

func TestResolvedFileReadsBackTheSame(t *testing.T) {
	c, err := Load(configs.Options{Preset: "quick", Set: []string{
		"seed=18446744073709551615", "residual.alpha=0.05",
		"eval.policies=korr",
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := configs.YAML(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load(configs.Options{File: write(t, string(b))})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, back) {
		t.Errorf("got %+v\nwant %+v", back, c)
	}
}

func TestWeightsSaysWhatIsMissing(t *testing.T) {
	_, err := configs.Weights("one_leg", "nonesuch")
	if !errors.Is(err, configs.ErrNoWeights) || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("error %v", err)
	}
	for _, name := range configs.ShippedWeights() {
		task, policy, _ := strings.Cut(name, "/")
		if b, err := configs.Weights(task, policy); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add("eval:\n  episodes: 3\n")
	f.Add("a: &a [*a]\n? {x: 1}\n: y")
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = Load(configs.Options{File: write(t, text)}) // must not panic
	})
}
