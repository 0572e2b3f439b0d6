//go:build mujoco

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/train/pipeline"
)

// TestTrainAll makes every policy of the lamp at a tiny size, loses what a killed process loses, and goes on to the
// same end.
func TestTrainAll(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir, "lamp"}, name...)...) }
	args := append([]string{
		"train", "all", "--json", "--task", "lamp", "--out", in(), "--episodes", "1", "--methods",
		"korr,resip", "--set", "eval.randomness=med",
	}, tiny...)
	args = append(args, "--set", "base.steps=4", "--set", "koopman.steps=3", "--set", "residual.steps=160", "--set",
		"residual.stages=false")
	all := func() (r pipeline.Result) { t.Helper(); decodeOne(t, ok(t, args...), &r); return r }
	content := func(name ...string) string {
		t.Helper()
		b, err := os.ReadFile(in(name...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := all()
	var names []string
	for _, s := range first.Stages {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"collect", "base", "koopman", "korr", "resip"}) || len(first.Results) != 6 ||
		len(first.Versus) != 4 {
		t.Fatalf("%+v", first)
	}
	if want := 90 + first.Stages[2].SimSteps + 160; first.SimSteps != want || first.Stages[2].SimSteps < 2 {
		t.Errorf("%d simulator steps, want %d", first.SimSteps, want)
	}
	korr1, page := content("checkpoints", "korr.safetensors"), content(pipeline.ReportName)
	for _, want := range []string{"Success rates", "Learning", "The Koopman model", "korr eval --task lamp"} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}

	// A process killed in korr's training has noted what was before, and left a run folder behind.
	text, err := json.Marshal(first.Stages[:3])
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"stages.json": string(text), "evaluation.json": ""} {
		if err := os.Remove(in(name)); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"korr", "resip"} {
		if err := os.Remove(in(name, "checkpoints", "policy.safetensors")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(in("resip")); err != nil {
		t.Fatal(err)
	}
	again := all()
	if korr2 := content("checkpoints", "korr.safetensors"); korr2 != korr1 {
		t.Error("the policy that was gone on with is another one")
	}
	for i, r := range again.Results {
		if r.Successes != first.Results[i].Successes || r.MeanSteps != first.Results[i].MeanSteps {
			t.Errorf("%+v became %+v", first.Results[i], r)
		}
	}
	if other := korr(t, append(args, "--quiet", "--set", "residual.alpha=0.2")...); other.code != cli.ExitUsage ||
		!strings.Contains(other.err, "other settings") {
		t.Errorf("other settings in the same folder: %+v", other)
	}
	if nothing := korr(t, append(args, "--quiet", "--methods", "ppo")...); nothing.code != cli.ExitUsage {
		t.Errorf("a method that there is not: %+v", nothing)
	}
	t.Run("data", func(t *testing.T) { testDataDecides(t, in("demos"), dir) })
}

// testDataDecides: demonstrations of the lamp need no --task, and take no other.
func testDataDecides(t *testing.T, demos, dir string) {
	args := append([]string{"train", "base", "--data", demos, "--steps", "4"}, tiny...)
	ok(t, append(args, "--out", filepath.Join(dir, "own"))...)
	for _, other := range [][]string{{"--task", "one_leg"}, {"--set", "sim.task=round_table"}} {
		o := korr(t, append(append(args, "--quiet", "--out", filepath.Join(dir, "none")), other...)...)
		if o.code != cli.ExitUsage || !strings.Contains(o.err, `task "lamp"`) {
			t.Errorf("%v: %+v", other, o)
		}
	}
}
