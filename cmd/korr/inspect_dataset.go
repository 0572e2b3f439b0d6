package main

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"korr/internal/report"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
)

// datasetResult is what inspect prints of the folder of a dataset.
type datasetResult struct {
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
	// Stages says when the episodes passed the task's stages; absent for a task that korr does not know.
	Stages []sim.StageTime `json:"stages,omitempty"`
}

// inspectDataset reads a dataset as a whole and prints what is in it.
func (a *app) inspectDataset(name string) error {
	d, err := dataset.Read(filepath.Clean(name))
	if err != nil {
		return err
	}
	r := datasetResult{
		Schema: "korr.inspect.dataset/1", Name: name, Task: d.Info.Task, Robot: d.Info.Robot, FPS: d.Info.FPS,
		Parts:    d.Info.PartNames,
		Episodes: len(d.Episodes), Frames: d.Frames(), Shortest: math.MaxInt,
	}
	for i := range d.Episodes {
		n := d.Episodes[i].Len()
		r.Shortest, r.Longest = min(r.Shortest, n), max(r.Longest, n)
		if d.Episodes[i].Success {
			r.Successes++
		}
	}
	if task, err := sim.TaskByName(d.Info.Task); err == nil && len(d.Info.PartNames) == len(task.Parts)+1 {
		if r.Stages, err = episodes.StageTimes(task, d.Episodes); err != nil {
			return err
		}
	}
	if a.JSON {
		return a.PrintJSON(r)
	}
	if err := a.Printf("%s: LeRobot v3.0 dataset of %s on %s at %g Hz: %d episodes of %d to %d frames, %d in all; %d "+
		"succeeded\nparts: %s\n",
		r.Name, r.Task, r.Robot, r.FPS, r.Episodes, r.Shortest, r.Longest, r.Frames, r.Successes,
		strings.Join(r.Parts, ", ")); err != nil || len(r.Stages) == 0 {
		return err
	}
	if err := a.Printf("\nStages, in control steps\n\n"); err != nil {
		return err
	}
	return stageTable(r.Task, r.Stages).WriteText(a.Out)
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
