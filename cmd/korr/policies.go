package main

import (
	"korr/sim"
	"korr/sim/expert"
	"korr/train/eval"
)

// policy finds a policy by name (expert, base, resip, korr) or by the path of a checkpoint.
func (a *app) policy(name string) (eval.Policy, error) {
	task, err := sim.TaskByName(a.cfg.Sim.Task)
	if err != nil {
		return eval.Policy{}, &codedError{exitUsage, err}
	}
	if name == "expert" {
		return eval.Policy{Name: name, New: func() (sim.Policy, error) {
			return expert.New(task, expert.Config{InsertNoise: a.cfg.Collect.InsertNoise})
		}}, nil
	}
	return eval.Policy{}, usageErrorf("no policy %q: use expert, base, resip, korr or the path of a checkpoint", name)
}
