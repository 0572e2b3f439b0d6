package spread

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"korr/internal/report"
	"korr/train/queue"
)

// Schema names the JSON form of a Report.
const Schema = "korr.verify-queue/1"

// Report is what came of it.
type Report struct {
	Schema      string  `json:"schema"` // Schema
	Passed      bool    `json:"passed"`
	Seed        uint64  `json:"seed"`
	WorkerKills int     `json:"worker_kills"`
	ServerKills int     `json:"server_kills"`
	Pauses      int     `json:"pauses"`
	Interrupts  int     `json:"interrupts"` // of a submitter, which was started again
	Late        int     `json:"late"`       // outcomes that workers dropped because they had lost the unit
	Units       int     `json:"units"`
	TakenOver   int     `json:"taken_over"` // units that were claimed more than once
	Resumed     int     `json:"resumed"`    // of them, with a checkpoint
	Checks      []Check `json:"checks"`
	Seconds     float64 `json:"seconds"`

	dir string // of what came out
}

// Check is a file or an output that has to be equal.
type Check struct {
	What  string `json:"what"`
	Bytes int    `json:"bytes"`
	Equal bool   `json:"equal"`
}

// count reads what the queue and the workers say of the disturbances.
func (r *run) count(ctx context.Context) error {
	all, err := r.store.Units(ctx)
	if err != nil {
		return err
	}
	for _, st := range all {
		r.report.Units++
		if st.Phase != queue.Done {
			return fmt.Errorf("unit %s is %s", st.Name, st.Phase)
		}
		if st.Epoch > 1 {
			r.report.TakenOver++
			if st.Saves > 0 {
				r.report.Resumed++
			}
		}
	}
	for _, p := range r.every {
		r.report.Late += p.says(`"msg":"late"`)
	}
	return nil
}

// policies are those that one process trained.
func (r *run) policies() []string {
	// the pattern is one
	found, _ := filepath.Glob(filepath.Join(r.dir, "alone", "*", "checkpoints", "policy.safetensors"))
	return found
}

// compare looks at everything that has to be equal.
func (r *run) compare(context.Context) error {
	names := [][2]string{
		{"alone.sweep", "spread.sweep"},
		{"alone/table.txt", "spread/table.txt"},
		{"alone.eval", "spread.eval"},
		{"alone.csv", "spread.csv"},
	}
	for _, p := range r.policies() {
		cell := filepath.Base(filepath.Dir(filepath.Dir(p)))
		for _, file := range []string{"checkpoints/policy.safetensors", "config.yaml"} {
			names = append(names, [2]string{"alone/" + cell + "/" + file, "spread/" + cell + "/" + file})
		}
	}
	for _, n := range names {
		a, err := os.ReadFile(filepath.Join(r.dir, n[0]))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(r.dir, n[1]))
		if err != nil {
			return err
		}
		r.report.Checks = append(r.report.Checks, Check{n[1], len(b), len(a) > 0 && bytes.Equal(a, b)})
	}
	return nil
}

// Verdict says whether something differs; empty when nothing does.
func (r *Report) Verdict() string {
	if r.Passed {
		return ""
	}
	return "the queue's outcome is not that of one process: " + r.dir
}

// WriteText prints the report.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "compared with one process"},
		{Name: "bytes", Right: true},
		{Name: ""},
	}}
	for _, c := range r.Checks {
		word := "equal"
		if !c.Equal {
			word = "DIFFERS"
		}
		t.Add(c.What, fmt.Sprint(c.Bytes), word)
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d units by %d workers in %.0f s: %d kills of workers, %d of the server, %d pause, "+
		"%d interrupt; %d units taken over, %d of them from a checkpoint, %d late outcomes dropped\n",
		r.Units, workerCount, r.Seconds, r.WorkerKills, r.ServerKills, r.Pauses, r.Interrupts, r.TakenOver, r.Resumed, r.Late)
	return err
}
