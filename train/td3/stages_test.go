package td3

import (
	"strings"
	"testing"

	"korr/sim"
	"korr/train/episodes"
)

// TestStagesNeedDemonstrations: patience comes from them, and nothing is guessed.
func TestStagesNeedDemonstrations(t *testing.T) {
	lamp, err := sim.TaskByName("lamp")
	if err != nil {
		t.Fatal(err)
	}
	cfg, spec := pointConfig(), sim.Spec{Task: "point", ObsDim: pointObs, ActDim: sim.ActDim}
	cfg.Stages = true
	for want, change := range map[string]func(*Inputs){
		"--data":             func(in *Inputs) { in.Task, in.Demos = lamp, nil },
		"demonstrations of":  func(in *Inputs) { in.Task = nil },
		"do not hold observ": func(in *Inputs) { in.Task = lamp },
	} {
		in := pointInputs(t)
		change(&in)
		if _, err := in.check(&cfg, spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, have %v", want, err)
		}
	}
}

// TestStagesStandInForTheMilestone: what an episode can earn bounds the targets, and the first pair pays no milestone
// beside them.
func TestStagesStandInForTheMilestone(t *testing.T) {
	cfg, rules := DefaultConfig(), &episodes.StageRules{}
	if cfg.milestone() != 1 || cfg.targetMax(nil) != 2 {
		t.Errorf("without stages: milestone %v, bound %v", cfg.milestone(), cfg.targetMax(nil))
	}
	cfg.Stages = true
	if cfg.milestone() != 0 {
		t.Errorf("with stages the milestone is %v", cfg.milestone())
	}
	if cfg.TargetMax = 3; cfg.targetMax(rules) != 3 {
		t.Errorf("a bound that is set gives way: %v", cfg.targetMax(rules))
	}
	if cfg.TargetMax = -1; cfg.targetMax(rules) != 0 {
		t.Errorf("targets that are not to be clipped have the bound %v", cfg.targetMax(rules))
	}
}
