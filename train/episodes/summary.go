package episodes

import (
	"fmt"
	"io"
	"math"
	"strings"

	"korr/internal/report"
	"korr/sim"
	"korr/train/dataset"
)

// Summary says what is in a dataset.
type Summary struct {
	Schema    string   `json:"schema"` // korr.inspect.dataset/1
	Name      string   `json:"name"`
	Task      string   `json:"task"`
	Robot     string   `json:"robot"`
	FPS       float64  `json:"fps"`
	Parts     []string `json:"parts"`
	Episodes  int      `json:"episodes"`
	Successes int      `json:"successes"`
	Frames    int      `json:"frames"`
	Shortest  int      `json:"shortest"`
	Longest   int      `json:"longest"`
	// Stages says when the episodes passed the task's stages; absent for a task that is not known.
	Stages []sim.StageTime `json:"stages,omitempty"`
}

// Summarise counts the episodes of the dataset called name, and says when they passed the stages of their task.
func Summarise(name string, d *dataset.Dataset) (*Summary, error) {
	r := &Summary{
		Schema: "korr.inspect.dataset/1", Name: name, Task: d.Info.Task, Robot: d.Info.Robot, FPS: d.Info.FPS,
		Parts: d.Info.PartNames, Episodes: len(d.Episodes), Frames: d.Frames(), Shortest: math.MaxInt,
	}
	for i := range d.Episodes {
		n := d.Episodes[i].Len()
		r.Shortest, r.Longest = min(r.Shortest, n), max(r.Longest, n)
		if d.Episodes[i].Success {
			r.Successes++
		}
	}
	task, err := sim.TaskByName(d.Info.Task)
	if err != nil || len(d.Info.PartNames) != len(task.Parts)+1 {
		return r, nil
	}
	r.Stages, err = StageTimes(task, d.Episodes)
	return r, err
}

// WriteText prints it, the stages as a table.
func (r *Summary) WriteText(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s: LeRobot v3.0 dataset of %s on %s at %g Hz: %d episodes of %d to %d frames, %d in all; "+
		"%d succeeded\nparts: %s\n",
		r.Name, r.Task, r.Robot, r.FPS, r.Episodes, r.Shortest, r.Longest, r.Frames, r.Successes,
		strings.Join(r.Parts, ", ")); err != nil || len(r.Stages) == 0 {
		return err
	}
	if _, err := fmt.Fprint(w, "\nStages, in control steps\n\n"); err != nil {
		return err
	}
	return stageTable(r.Task, r.Stages).WriteText(w)
}

// stageTable lists when episodes of a task passed its stages.
func stageTable(name string, stages []sim.StageTime) *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "pair"},
		{Name: "stage"},
		{Name: "episodes", Right: true},
		{Name: "passed at", Right: true},
		{Name: "95th percentile", Right: true},
		{Name: "longest wait", Right: true},
	}}
	task, err := sim.TaskByName(name)
	for _, s := range stages {
		pair := fmt.Sprint(s.Pair)
		if err == nil {
			p := &task.Pairs[s.Pair]
			pair = task.Parts[p.First].Name + " – " + task.Parts[p.Second].Name
		}
		t.Add(pair, string(s.Stage), fmt.Sprint(s.Reached), fmt.Sprintf("%.0f", s.Mean), fmt.Sprint(s.P95),
			fmt.Sprint(s.Longest))
	}
	return t
}
