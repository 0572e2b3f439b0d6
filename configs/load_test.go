package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/internal/setting"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "korr.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheDefaultFileIsTheDefaults: the preset default, which is generated, holds every key with its default.
func TestTheDefaultFileIsTheDefaults(t *testing.T) {
	m, err := readPreset("default")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, l := range leaves(m, "") {
		named[l.path] = true
	}
	for _, key := range Keys(Defaults()) {
		if !named[key] {
			t.Errorf("presets/default.yaml lacks %s: run go test ./cmd/korr -run Reference -update", key)
		}
	}
	c, err := Load(Options{Preset: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if want, err := Load(Options{}); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%v: the preset default is %+v, want %+v", err, c, want)
	}
}

func TestEveryPresetLoads(t *testing.T) {
	if got := Presets(); len(got) < 2 {
		t.Fatalf("presets %v", got)
	}
	for _, name := range Presets() {
		if _, err := Load(Options{Preset: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayersOverrideEachOther(t *testing.T) {
	file := write(t, "eval:\n  episodes: 33\n  policies: [base]\nsim: {}\nbase:\n")
	steps := []struct {
		opts Options
		want int
	}{
		{Options{}, 20},
		{Options{Preset: "quick"}, 5},
		{Options{Preset: "quick", File: file}, 33},
		{Options{Preset: "quick", File: file, Environ: []string{"HOME=/", "KORR_EVAL_EPISODES=44"}}, 44},
		{Options{Preset: "quick", File: file, Environ: []string{"KORR_EVAL_EPISODES=44"}, Set: []string{"eval.episodes=55"}}, 55},
		{Options{Set: []string{"eval.episodes=1", "Eval.Episodes=2"}}, 2},
		{Options{Set: []string{"eval.episodes=1e2"}}, 100},
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
		c, err := Load(Options{Environ: []string{"KORR_EVAL_POLICIES=" + text}, Set: []string{"base.hidden=64,32"}})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c.Eval.Policies, []string{"base", "korr"}) || !reflect.DeepEqual(c.Base.Training.Hidden, []int{64, 32}) {
			t.Errorf("%s: %v %v", text, c.Eval.Policies, c.Base.Training.Hidden)
		}
	}
}

func TestBadInputNamesKeyAndSource(t *testing.T) {
	cases := []struct {
		name string
		opts Options
		want []string
	}{
		{"unknown key in file", Options{File: write(t, "residual:\n  alhpa: 0.2\n")}, []string{"korr.yaml", "residual.alhpa", "no such key", "alpha"}},
		{"a critic that ppo lacks", Options{Set: []string{"residual.algorithm=ppo", "residual.critic_only=true"}}, []string{"residual.critic_only", "td3"}},
		{"expansion without a model", Options{Set: []string{"residual.method=resip", "residual.value_expansion=true"}}, []string{"residual.value_expansion", "korr"}},
		{"expansion by a model that learns", Options{Set: []string{"residual.condition=published", "residual.value_expansion=true"}}, []string{"residual.value_expansion", "frozen"}},
		{"unknown section", Options{File: write(t, "simulator:\n  task: x\n")}, []string{"simulator.task", "no such key"}},
		{"unknown variable", Options{Environ: []string{"KORR_EVAL_EPISODE=3"}}, []string{"KORR_EVAL_EPISODE", "no such setting"}},
		{"unknown --set", Options{Set: []string{"eval.nope=3"}}, []string{"--set", "eval.nope"}},
		{"no value", Options{Set: []string{"eval.episodes"}}, []string{"--set eval.episodes", "key=value"}},
		{"fraction for a count", Options{Set: []string{"eval.episodes=1.5"}}, []string{"eval.episodes", "a whole number"}},
		{"text for a number", Options{Environ: []string{"KORR_RESIDUAL_ALPHA=big"}}, []string{"KORR_RESIDUAL_ALPHA", "residual.alpha", "a number"}},
		{"text for a bool", Options{File: write(t, "residual:\n  features: maybe\n")}, []string{"residual.features", "true or false"}},
		{"negative seed", Options{Set: []string{"seed=-1"}}, []string{"seed", "a whole number"}},
		{"list item", Options{Set: []string{"base.hidden=64,x"}}, []string{"base.hidden", "a list"}},
		{"out of range", Options{Set: []string{"residual.alpha=2"}}, []string{"residual.alpha", "between 0 and 1"}},
		{"bad choice", Options{Set: []string{"eval.randomness=low,wild"}}, []string{"eval.randomness[1]", "wild", "low, med, high"}},
		{"bad YAML", Options{File: write(t, "eval: [")}, []string{"korr.yaml", "line 1"}},
		{"no file", Options{File: "/does/not/exist.yaml"}, []string{"/does/not/exist.yaml", "no such file"}},
		{"no preset", Options{Preset: "huge"}, []string{"preset huge", "default, diffusion, one_leg, published, quick"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(c.opts)
			var ce *Error
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
	c, err := Load(Options{Preset: "quick", Set: []string{"seed=18446744073709551615", "residual.alpha=0.05", "eval.policies=korr"}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := YAML(c)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Load(Options{File: write(t, string(b))})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, back) {
		t.Errorf("got %+v\nwant %+v", back, c)
	}
}

func TestWeightsSaysWhatIsMissing(t *testing.T) {
	_, err := Weights("one_leg", "nonesuch")
	if !errors.Is(err, ErrNoWeights) || !strings.Contains(err.Error(), "nonesuch") {
		t.Errorf("error %v", err)
	}
	for _, name := range ShippedWeights() {
		task, policy, _ := strings.Cut(name, "/")
		if b, err := Weights(task, policy); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add("eval:\n  episodes: 3\n")
	f.Add("a: &a [*a]\n? {x: 1}\n: y")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parse([]byte(text), "fuzz")
		if err != nil {
			return
		}
		l := fieldsOf(t)
		for _, at := range leaves(m, "") {
			_ = l.check(at, "fuzz") // must not panic
		}
	})
}

func fieldsOf(t *testing.T) *layers {
	t.Helper()
	l := &layers{fields: map[string]setting.Field{}}
	for _, f := range setting.Fields(Defaults()) {
		l.fields[f.Key] = f
	}
	return l
}
