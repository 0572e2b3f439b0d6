//go:build mujoco

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
)

// TestResults: the same seeds make the same tables twice, to the last byte, and what is there is not made again.
func TestResults(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, more ...string) string {
		t.Helper()
		args := []string{
			"results", "--out", filepath.Join(dir, name), "--tasks", "lamp", "--bases", "ordinary", "--seeds", "1-2",
			"--episodes", "1",
			"--sensing", "clean", "--set", "eval.randomness=med", "--set", "eval.perturb=off", "--set", "base.steps=4", "--set",
			"koopman.steps=3",
			"--set", "residual.steps=160", "--set", "residual.stages=false",
		}
		ok(t, slices.Concat(args, tiny, more)...)
		text, err := os.ReadFile(filepath.Join(dir, name, "results.md"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := make("a")
	for _, want := range []string{"## lamp: success", "| ordinary korr | 2 |", "korr – resip", "RMSE"} {
		if !strings.Contains(first, want) {
			t.Errorf("the tables lack %q:\n%s", want, first)
		}
	}
	if again := make("b"); again != first {
		t.Errorf("the same seeds made other tables:\n%s\n%s", first, again)
	}
	if spread := make("c", "--queue", "embedded:"+filepath.Join(dir, "queue")); spread != first {
		t.Errorf("through a queue the tables are others:\n%s\n%s", first, spread)
	}
	state := filepath.Join(dir, "a", "lamp", "ordinary-2", "korr", "checkpoints", "policy.safetensors")
	before, err := os.Stat(state)
	if err != nil {
		t.Fatal(err)
	}
	if again := make("a"); again != first {
		t.Error("what is there was made into something else")
	}
	if after, err := os.Stat(state); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("a finished training was made again, %v", err)
	}
	if o := korr(t, "results", "--bases", "best"); o.code != cli.ExitUsage {
		t.Errorf("a base that there is not: %+v", o)
	}
}
