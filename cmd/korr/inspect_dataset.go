package main

import (
	"math"
	"path/filepath"
	"strings"

	"korr/train/dataset"
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
}

// inspectDataset reads a dataset as a whole and prints what is in it.
func (a *app) inspectDataset(name string) error {
	d, err := dataset.Read(filepath.Clean(name))
	if err != nil {
		return err
	}
	r := datasetResult{
		Schema: "korr.inspect.dataset/1", Name: name, Task: d.Info.Task, Robot: d.Info.Robot, FPS: d.Info.FPS, Parts: d.Info.PartNames,
		Episodes: len(d.Episodes), Frames: d.Frames(), Shortest: math.MaxInt,
	}
	for i := range d.Episodes {
		n := d.Episodes[i].Len()
		r.Shortest, r.Longest = min(r.Shortest, n), max(r.Longest, n)
		if d.Episodes[i].Success {
			r.Successes++
		}
	}
	if a.JSON {
		return a.PrintJSON(r)
	}
	return a.Printf("%s: LeRobot v3.0 dataset of %s on %s at %g Hz: %d episodes of %d to %d frames, %d in all; %d succeeded\nparts: %s\n",
		r.Name, r.Task, r.Robot, r.FPS, r.Episodes, r.Shortest, r.Longest, r.Frames, r.Successes, strings.Join(r.Parts, ", "))
}
