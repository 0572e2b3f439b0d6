package main

import (
	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/train/pipeline"
)

// world is the simulated task of the settings.
func (a *app) world() (*pipeline.World, error) {
	task, err := sim.TaskByName(a.Config.Sim.Task)
	if err != nil {
		return nil, cli.Usage(err)
	}
	print, err := mujoco.Fingerprint(task.Name)
	if err != nil {
		return nil, err
	}
	return &pipeline.World{
		Task: task, Robot: robotName, Simulator: print, Open: a.newEnv, Plain: a.condition(), Workers: a.workers(),
		Log: a.Log,
	}, nil
}
