package main

import (
	"context"
	"errors"
	"runtime"

	"korr/internal/lane"
	"korr/residual/loop"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/domain"
	"korr/sim/mujoco"
	"korr/train/eval"
	"korr/train/unit"
)

// newEnv makes the simulator of an evaluation's condition.
func (a *app) newEnv(c eval.Condition) (sim.Env, error) {
	env, err := a.engine(c)
	if err != nil {
		return nil, err // not env: a nil *mujoco.Env in the interface would not be nil
	}
	return a.sensed(env, c)
}

// engine makes the simulator of a condition without its sensors.
func (a *app) engine(c eval.Condition) (*mujoco.Env, error) {
	cfg, err := a.simulator(c)
	if err != nil {
		return nil, err
	}
	return mujoco.New(cfg)
}

// simulator is the engine's form of a condition.
func (a *app) simulator(c eval.Condition) (mujoco.Config, error) {
	e := a.Config.Sim.Engine()
	e.Task, e.Randomness, e.Perturb = c.Task, sim.Randomness(c.Randomness), c.Perturb
	var err error
	e.Domain, err = a.physics(c)
	return e, err
}

// sensed shows the environment, which it owns from then on, through the sensors of a condition.
func (a *app) sensed(env sim.Env, c eval.Condition) (sim.Env, error) {
	sensors, err := a.disturbance(c)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	shown, err := disturb.Wrap(env, sensors)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return shown, nil
}

// disturbance is the sensors of a condition: those of a named profile, or of disturb.*.
func (a *app) disturbance(c eval.Condition) (disturb.Config, error) {
	if c.Sensing != "" {
		return disturb.Profile(c.Sensing)
	}
	return a.Config.Disturb, nil
}

// physics is what the episodes of a condition draw: a named profile, or domain.*.
func (a *app) physics(c eval.Condition) (domain.Ranges, error) {
	if c.Physics != "" {
		return domain.Profile(c.Physics)
	}
	return a.Config.Domain, nil
}

// condition is the setting of sim.* alone. Sensors and physics that change nothing go by the names of their profiles.
func (a *app) condition() eval.Condition {
	s := a.Config.Sim
	c := eval.Condition{
		Task: s.Task, Randomness: string(s.Randomness), Perturb: s.Perturb, Sensing: s.Sensing,
		Physics: s.Physics,
	}
	if sensors, err := a.disturbance(c); err == nil && !sensors.On() {
		c.Sensing = disturb.Clean
	}
	if ranges, err := a.physics(c); err == nil && !ranges.On() {
		c.Physics = domain.Nominal
	}
	return c
}

// workers is the number of simulations at once.
func (a *app) workers() int {
	if a.Config.Sim.Workers > 0 {
		return a.Config.Sim.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// local does a job's units in this process.
func (a *app) local(h unit.Handlers) unit.Executor { return &unit.Local{Handlers: h, Log: a.Log} }

// lanes opens lanes in lock step for an evaluation.
func (a *app) lanes(ctx context.Context, c eval.Condition) (eval.Player, error) {
	l, err := a.openLane(ctx, c, true, nil)
	if err != nil {
		return nil, err // not l: a nil *lane.Lane in the interface would not be nil
	}
	return l, nil
}

// openLane starts a robot over ROS on the loopback interface.
func (a *app) openLane(
	ctx context.Context, c eval.Condition, lockStep bool, onTick func(*loop.Record),
) (*lane.Lane, error) {
	sensing, err := a.disturbance(c)
	if err != nil {
		return nil, err
	}
	env, err := a.engine(c)
	if err != nil {
		return nil, err
	}
	return lane.Open(ctx, lane.Config{Env: env, Sensing: sensing, LockStep: lockStep, OnTick: onTick, Logger: a.Log})
}
