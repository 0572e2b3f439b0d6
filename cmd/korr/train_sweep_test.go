//go:build mujoco

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/train/lab/settings"
	"korr/train/sweep"
)

// TestSweep trains two variants with two seeds, finds its cells finished, and refuses cells of other settings.
func TestSweep(t *testing.T) {
	out := t.TempDir()
	cells := append([]string{
		"train", "sweep", "--out", out, "--variants", "resip,small", "--define",
		"small residual.method=resip residual.actor_hidden=8",
		"--seeds", "1-2", "--steps", "160", "--episodes", "2",
	}, tiny...)
	args := append(slices.Clone(cells), "--perturb", "0,1")
	first := korr(t, args...)
	if first.code != cli.ExitOK || !strings.Contains(first.err, "play resip: 4 episodes in") {
		t.Fatalf("%d, and no word of the episodes that were played:\n%s", first.code, first.err)
	}
	table := first.out
	for _, want := range []string{"low, pushes 0", "low, pushes 1", "small", "/4 "} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	stored, err := os.ReadFile(filepath.Join(out, "table.txt"))
	if err != nil || string(stored) != table {
		t.Errorf("table.txt holds %q, %v", stored, err)
	}
	policy := filepath.Join(out, "small-2", "checkpoints", "policy.safetensors")
	if err := os.Remove(policy); err != nil { // finished cells are not looked at again
		t.Fatal(err)
	}
	if again := ok(t, args...); again != table {
		t.Errorf("again:\n%s", again)
	}
	if err := os.Remove(filepath.Join(out, "small-2", "cell.json")); err != nil { // unfinished: goes on from its state
		t.Fatal(err)
	}
	if again := ok(t, args...); again != table {
		t.Errorf("resumed:\n%s\nwant\n%s", again, table)
	}
	// Another condition and more episodes are played without training again.
	more := ok(t, append(cells, "--perturb", "2,0", "--episodes", "3")...)
	if !strings.Contains(more, "pushes 2") || strings.Contains(more, "pushes 1") || !strings.Contains(more, "/6 ") {
		t.Errorf("more:\n%s", more)
	}
	if again := ok(t, append(cells, "--perturb", "1")...); !strings.Contains(again, "pushes 1") ||
		!strings.Contains(table, again) {
		t.Errorf("a condition played before:\n%s\nnot in\n%s", again, table)
	}
	if o := korr(t, append(args, "--steps", "200")...); o.code == cli.ExitOK || !strings.Contains(o.err,
		"other settings") {
		t.Errorf("%+v", o)
	}
}

func TestSweepRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--variants", "magic"}, "none of"},
		{[]string{"--define", "alone"}, "--define"},
		{[]string{"--seeds", "5-1"}, "--seeds"},
		{[]string{"--seeds", "x"}, "--seeds"},
	} {
		o := korr(t, append([]string{"train", "sweep", "--out", t.TempDir()}, c.args...)...)
		if o.code != cli.ExitUsage || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
}

// TestBuiltInVariantsAreValid: every one of them is what the trainer takes, over the preset that they are compared
// with.
func TestBuiltInVariantsAreValid(t *testing.T) {
	variants, err := sweep.Resolve(sweep.Names(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants {
		name, keys := v.Name, v.Settings
		cfg, err := settings.Load(configs.Options{Preset: "one_leg", Set: append([]string{"residual.members=1"}, keys...)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := cfg.TD3Run()
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.ValueExpansion != (name == "korr-expand") {
			t.Errorf("%s: value expansion %t", name, c.ValueExpansion)
		}
	}
}
