package main

import (
	"runtime"

	"korr/sim"
	"korr/sim/mujoco"
	"korr/train/eval"
)

// newEnv makes the simulator of an evaluation's condition.
func (a *app) newEnv(c eval.Condition) (sim.Env, error) {
	env, err := mujoco.New(a.simulator(c))
	if err != nil {
		return nil, err // not env: a nil *mujoco.Env in the interface would not be nil
	}
	return env, nil
}

// condition is the setting of sim.* alone.
func (a *app) condition() eval.Condition {
	return eval.Condition{Task: a.cfg.Sim.Task, Randomness: a.cfg.Sim.Randomness, Perturb: a.cfg.Sim.Perturb}
}

// workers is the number of simulations at once.
func (a *app) workers() int {
	if a.cfg.Sim.Workers > 0 {
		return a.cfg.Sim.Workers
	}
	return runtime.GOMAXPROCS(0)
}
