package sweep

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/train/eval"
	"korr/train/run"
	"korr/train/unit"
)

// fakeTrial leaves a policy and an hour of metrics, and solves every second episode.
type fakeTrial struct {
	trainings, plays int
	silent           bool // records nothing
}

func (f *fakeTrial) Train(_ context.Context, dir string, resume bool) error {
	f.trainings++
	if !resume {
		if _, err := run.Create(dir, []byte("test: true\n")); err != nil {
			return err
		}
	}
	lines := `{"step":5,"wall_s":10}` + "\n" + `{"step":10,"wall_s":3600}` + "\n"
	if f.silent {
		lines = ""
	}
	if err := os.WriteFile(filepath.Join(dir, run.MetricsName), []byte(lines), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, run.CheckpointsDir, "policy.safetensors"), nil, 0o600)
}

func (f *fakeTrial) Play(_ context.Context, _ string, s *Spec) (cells []eval.Cell, err error) {
	f.plays++
	for _, c := range s.Conditions {
		cells = append(cells, eval.Cell{Condition: c, Episodes: []eval.Episode{{Success: true}, {}}})
	}
	return cells, nil
}

// TestCellsAreKept: a cell is trained and played once, its time is that of the metrics, and a run without metrics has
// no time that could be printed.
func TestCellsAreKept(t *testing.T) {
	trial := &fakeTrial{}
	c := Config{
		Dir: t.TempDir(), Variants: []Variant{{Name: "a"}}, Seeds: []uint64{1}, Reference: "a",
		Conditions: []eval.Condition{{Randomness: "low"}}, Episodes: 2,
		Prepare: func(Variant, uint64) (Training, error) { return Training{Steps: 10}, nil },
		Executor: &unit.Local{Handlers: unit.Handlers{Kind: Handler(func(*unit.Task, *Spec) (Trial, error) {
			return trial,
				nil
		})}},
	}
	for range 2 {
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Cells) != 1 || r.Cells[0].Seconds != 3600 || r.Cells[0].Results[0].Outcomes[1] {
			t.Errorf("cells %+v", r.Cells)
		}
	}
	if trial.trainings != 1 || trial.plays != 1 {
		t.Errorf("trained %d times, played %d times", trial.trainings, trial.plays)
	}
	table, err := os.ReadFile(filepath.Join(c.Dir, "table.txt"))
	if err != nil || !strings.Contains(string(table), "60.0") || !strings.Contains(string(table), "1/2") {
		t.Errorf("table %s, %v", table, err)
	}
	c.Timeless = true
	if _, err := Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(c.Dir, "table.txt")); err != nil || strings.Contains(string(again),
		"60.0") || !strings.Contains(string(again), "1/2") {
		t.Errorf("without wall times %s, %v", again, err)
	}
	c.Dir, trial.silent = t.TempDir(), true
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "no metrics") {
		t.Errorf("a run without metrics: %v", err)
	}
}
