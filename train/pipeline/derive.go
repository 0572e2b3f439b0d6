package pipeline

import (
	"fmt"

	"korr/internal/usage"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/episodes"
)

// How settings follow from demonstrations. The ratios are those of the recipe that was found on one_leg
// (docs/learning.md).
const (
	baseEpochs     = 30   // passes of a base policy's training over the frames
	baseBatch      = 256  // frames in its mini-batch, the default of base.batch
	leastBaseSteps = 4000 // optimiser steps: few demonstrations are passed over more often
	longestFactor  = 1.3  // a training episode may take so many times as long as the longest demonstration
	patienceFactor = 2    // and wait for its first milestone so many times as long as the slowest
	roundTo        = 50   // control steps
	leastResidual  = 50_000
	severalMembers = 240_000 // environment steps from which two members share them
)

// Derived are the settings that a task, its demonstrations and the budget of simulator steps decide.
type Derived struct {
	BaseSteps int  // optimiser steps of the base policy
	MaxSteps  int  // control steps of a training episode
	Stages    bool // every stage of every pair pays, instead of one milestone
	FailAfter int  // control steps without a milestone that end a training episode; 0 with Stages, which know their own
	Steps     int  // environment steps of a residual
	Members   int  // that share them
}

// Spent is what of the budget is gone before a residual trains.
type Spent struct {
	Demonstrations int // simulator steps, of all attempts, recoveries included
	Rollouts       int // episodes of the base policy that the Koopman model learns from; each counts as MaxSteps
}

// Derive takes the settings from demonstrations of the task; recoveries among them count as frames only. A task of one
// pair with a thread keeps the recipe of one_leg, which pays one milestone, its insertion; every other pays its stages.
func Derive(task *sim.Task, demos []dataset.Episode, budget int, spent Spent) (Derived, error) {
	if len(demos) == 0 {
		return Derived{}, fmt.Errorf("no demonstrations of %s to take settings from", task.Name)
	}
	frames, longest := 0, 0
	for i := range demos {
		frames += demos[i].Len()
		if demos[i].Recovery == "" { // a recovery begins in the middle
			longest = max(longest, demos[i].Len())
		}
	}
	d := Derived{
		BaseSteps: max(leastBaseSteps, baseEpochs*frames/baseBatch),
		MaxSteps:  min(task.MaxSteps, roundUp(longestFactor*float64(longest))),
		Members:   1,
	}
	if d.Stages = len(task.Pairs) > 1 || task.Pairs[0].Thread == nil; !d.Stages {
		times, err := episodes.StageTimes(task, demos)
		if err != nil {
			return Derived{}, err
		}
		for _, t := range times {
			if t.Stage == sim.Insert {
				d.FailAfter = roundUp(patienceFactor * float64(t.P95))
			}
		}
	}
	d.Steps = budget - spent.Demonstrations - spent.Rollouts*d.MaxSteps
	if d.Steps < leastResidual {
		return d, usage.Errorf("of %d simulator steps %d are left for a residual after %d of demonstrations and up to %d "+
			"of the base policy's "+
			"episodes: ask for more steps, or for fewer demonstrations", budget, d.Steps, spent.Demonstrations,
			spent.Rollouts*d.MaxSteps)
	}
	if d.Steps >= severalMembers {
		d.Members = 2
	}
	return d, nil
}

// roundUp rounds control steps up to a multiple of roundTo.
func roundUp(steps float64) int { return (int(steps) + roundTo - 1) / roundTo * roundTo }
