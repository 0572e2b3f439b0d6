package results

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/sim"
	"korr/train/eval"
	"korr/train/pipeline"
)

// TestOverSeeds: Student's interval of four values, by hand: mean 2.5, standard deviation 1.29099, quantile 3.18245.
func TestOverSeeds(t *testing.T) {
	mean, ci, ok := OverSeeds([]float64{1, 2, 3, 4})
	if !ok || mean != 2.5 || math.Abs(ci[0]-0.44574) > 1e-4 || math.Abs(ci[1]-4.55426) > 1e-4 {
		t.Errorf("%v, %v, %v", mean, ci, ok)
	}
	if mean, _, ok := OverSeeds([]float64{0.7}); ok || mean != 0.7 {
		t.Errorf("one seed has the interval of %v, %v", mean, ok)
	}
}

// made is what a job made: korr solves so many of 10 episodes, the base 2, resip 5.
func made(j Job, korr int) *pipeline.Result {
	out := &pipeline.Result{Stages: []pipeline.Stage{{Name: "base", Seconds: 90, SimSteps: 7}}}
	for policy, n := range map[string]int{"base": 2, "resip": 5, "korr": korr} {
		out.Results = append(out.Results, eval.Result{
			Task: j.Task, Randomness: "low", Policy: policy, Episodes: 10, Successes: n, Rate: float64(n) / 10, MeanSteps: 100,
			FailedAt: map[sim.Stage]int{sim.Insert: 10 - n},
		})
	}
	return out
}

// TestRowsAndClaims: seeds are summed; korr is above the base in all three seeds, and nothing is said of korr and
// resip, whose difference is 1, 3 and -2 of 10.
func TestRowsAndClaims(t *testing.T) {
	dir, korr := t.TempDir(), map[uint64]int{1: 6, 2: 8, 3: 3}
	c := Config{
		Dir: dir, Tasks: []string{"lamp"}, Bases: []Base{Ordinary}, Seeds: []uint64{1, 2, 3},
		Train: func(_ context.Context, j Job) (*pipeline.Result, error) { return made(j, korr[j.Seed]), nil },
		Beside: func(context.Context, string, string) ([]eval.Result, error) {
			return []eval.Result{{Task: "lamp", Randomness: "low", Policy: "expert", Episodes: 10, Successes: 10, Rate: 1}}, nil
		},
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	row := r.row(Ordinary, eval.Result{Task: "lamp", Randomness: "low", Policy: "korr"})
	if row == nil || row.Successes != 17 || row.Episodes != 30 || row.FailedAt[sim.Insert] != 13 || row.MeanSteps != 100 ||
		len(row.Rates) != 3 {
		t.Fatalf("%+v", row)
	}
	says := map[string]bool{}
	for i := range r.Differences {
		d := &r.Differences[i]
		says[d.Method+" "+d.Reference] = d.Above()
		if d.Seeds != 3 || d.Below() {
			t.Errorf("%+v", d)
		}
	}
	if len(says) != 3 || says["korr resip"] || !says["resip base"] {
		t.Errorf("above: %v", says)
	}
	text, err := os.ReadFile(filepath.Join(dir, TablesName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| ordinary korr | 3 | 17/30 | 56.7 % |", "| expert |", "insert 13", "not told apart",
		"resip is above",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the tables lack %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "1.5") {
		t.Error("wall times are in the tables that seeds decide")
	}
	costs, err := os.ReadFile(filepath.Join(dir, CostsName))
	if err != nil || !bytes.Contains(costs, []byte("| base | 1.5 | 7 |")) {
		t.Errorf("costs %s, %v", costs, err)
	}
	c.Train = func(context.Context, Job) (*pipeline.Result, error) { return nil, errors.New("no simulator") }
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(),
		"lamp, ordinary base, seed 1: no simulator") {
		t.Errorf("a job that fails: %v", err)
	}
}
