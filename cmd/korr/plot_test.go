package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/train/run"
)

func runFolder(t *testing.T, name string, metric string, values ...float64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	f, err := run.Create(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Recorder(0)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		if err := r.Record(1000*i, map[string]float64{metric: v, "lr": 0.1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPlotDrawsWhatItIsGiven(t *testing.T) {
	dir := t.TempDir()
	results := filepath.Join(dir, "results.json")
	scores := filepath.Join(dir, "prediction.json")
	for path, text := range map[string]string{
		results: `{"schema":"korr.eval/1","results":[{"task":"one_leg","randomness":"low","perturbed":true,"policy":"resip","episodes":4,"successes":2,"rate":0.5,"ci95":[0.15,0.85],"mean_steps":250}]}`,
		scores:  `[{"model":"dmdc","horizon":1,"rmse":0.1,"windows":3},{"model":"dmdc","horizon":10,"rmse":0.2,"windows":3}]`,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"curves": {[]string{runFolder(t, "first", "eval_success", 0.1, 0.9), runFolder(t, "second", "eval_success", 0.2,
			0.3)}, []string{"first", "second", "eval success", "100 %"}},
		"metric":  {[]string{runFolder(t, "third", "loss", 3, 2, 1), "--metric", "lr"}, []string{"third", ">lr<"}},
		"wall":    {[]string{runFolder(t, "fourth", "loss", 3, 2, 1), "--wall"}, []string{"hours", ">loss<"}},
		"success": {[]string{results}, []string{"resip", "one_leg, low", "perturbed", "50 %"}},
		"errors":  {[]string{scores}, []string{"dmdc", "horizon"}},
	} {
		out := filepath.Join(dir, name+".svg")
		o := korr(t, append([]string{"plot", "--out", out}, c.args...)...)
		if o.code != cli.ExitOK || o.out != out+"\n" {
			t.Errorf("%s: %+v", name, o)
			continue
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !bytes.Contains(b, []byte(w)) {
				t.Errorf("%s lacks %q", name, w)
			}
		}
	}
}

func TestPlotRefuses(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.json")
	if err := os.WriteFile(other, []byte(`{"schema":"x/1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{}, cli.ExitUsage, "wants run folders"},
		{[]string{dir}, cli.ExitUsage, "no run was started there"},
		{[]string{other}, cli.ExitUsage, `schema "x/1"`},
		{[]string{runFolder(t, "r", "loss", 1), "--metric", "q"}, cli.ExitUsage, "there are: loss, lr"},
		{[]string{runFolder(t, "r", "loss", 1), "--out", filepath.Join(dir, "x.gif")}, cli.ExitUsage, "end in .png or .svg"},
	} {
		o := korr(t, append([]string{"plot"}, c.args...)...)
		if o.code != c.code || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
}
