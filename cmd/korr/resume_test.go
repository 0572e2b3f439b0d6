//go:build mujoco

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"korr/cmd/internal/cli"
)

// interruptedBy runs a command line that is interrupted as soon as ready.
func interruptedBy(t *testing.T, environ []string, ready func() bool, args ...string) output {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	go func() {
		for ctx.Err() == nil && !ready() {
			time.Sleep(10 * time.Millisecond)
		}
		cancel(cli.ErrInterrupted)
	}()
	o := korrIn(ctx, environ, args...)
	if o.code != cli.ExitInterrupted {
		t.Fatalf("%v: code %d, %s", args, o.code, o.err)
	}
	return o
}

// TestInterruptedEvalGoesOn: it prints what it has, and with --resume ends as if it had never been interrupted.
func TestInterruptedEvalGoesOn(t *testing.T) {
	dir := t.TempDir()
	environ := []string{"HOME=" + dir}
	line := []string{
		"eval", "--quiet", "--policy", "expert,base", "--episodes", "2", "--perturb", "off", "--set",
		"sim.workers=1",
	}
	kept := func() bool {
		found, _ := filepath.Glob(filepath.Join(dir, ".cache", "korr", "eval", "*.jsonl"))
		if len(found) == 0 {
			return false
		}
		b, _ := os.ReadFile(found[0])
		return strings.Contains(string(b), "\n")
	}
	o := interruptedBy(t, environ, kept, line...)
	if !strings.Contains(o.out, "expert") || !strings.Contains(o.out, "1/1") && !strings.Contains(o.out, "2/2") ||
		!strings.Contains(o.err, "--resume goes on") {
		t.Errorf("what was played is not printed: %s%s", o.out, o.err)
	}
	resumed, csv := korrIn(t.Context(), environ, append(line, "--resume", "--csv", filepath.Join(dir, "a.csv"))...), ""
	if resumed.code != 0 || kept() {
		t.Fatalf("%+v, journal left: %v", resumed, kept())
	}
	whole := korrIn(t.Context(), nil, append(line, "--csv", filepath.Join(dir, "b.csv"))...)
	for _, name := range []string{"a.csv", "b.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if csv != "" && csv != string(b) {
			t.Errorf("episodes differ:\n%s\n%s", csv, b)
		}
		csv = string(b)
	}
	if resumed.out != whole.out {
		t.Errorf("resumed\n%s\nwhole\n%s", resumed.out, whole.out)
	}
}

// TestPrintedSeedsReplay: the seed that an evaluation prints plays the same episode in sim.
func TestPrintedSeedsReplay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "e.csv")
	if o := korr(t, "eval", "--quiet", "--policy", "expert", "--episodes", "1", "--perturb", "off", "--seed", "5", "--csv",
		file); o.code != 0 {
		t.Fatal(o.err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cells := strings.Split(strings.Split(string(b), "\n")[1], ",")
	var r simResult
	o := korr(t, "sim", "--json", "--quiet", "--policy", "expert", "--episode-seed", cells[5])
	decodeOne(t, o.out, &r)
	if len(r.Episodes) != 1 || strings.Join([]string{cells[5], cells[7]}, " ") != seedAndSteps(r.Episodes[0]) {
		t.Errorf("%v became %+v", cells, r.Episodes)
	}
}

func seedAndSteps(e simEpisode) string { return fmt.Sprintf("%d %d", e.Seed, e.Steps) }

// TestEvalWithoutACache: where the user has no folder that can be written, an evaluation plays all the same and says
// what it lacks.
func TestEvalWithoutACache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no-home")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	o := korrIn(t.Context(), []string{"HOME=" + file}, "eval", "--policy", "expert", "--episodes", "1", "--perturb", "off",
		"--set", "sim.max_steps=5")
	if o.code != cli.ExitOK || !strings.Contains(o.err, "XDG_CACHE_HOME") || !strings.Contains(o.out, "0/1") {
		t.Errorf("%+v", o)
	}
}
