package lab

import (
	"context"
	"errors"

	"korr/internal/lane"
	"korr/internal/usage"
	"korr/residual/loop"
	"korr/sim"
	"korr/sim/action"
	"korr/sim/disturb"
	"korr/sim/domain"
	"korr/sim/mujoco"
	"korr/train/eval"
	"korr/train/pipeline"
)

// Env makes the simulator of an evaluation's condition.
func (l *Lab) Env(c eval.Condition) (sim.Env, error) {
	env, err := l.Engine(c)
	if err != nil {
		return nil, err // not env: a nil *mujoco.Env in the interface would not be nil
	}
	return l.Sensed(env, c)
}

// Engine makes the simulator of a condition without its sensors.
func (l *Lab) Engine(c eval.Condition) (*mujoco.Env, error) {
	cfg, err := l.Simulator(c)
	if err != nil {
		return nil, err
	}
	return mujoco.New(cfg)
}

// Simulator is the engine's form of a condition.
func (l *Lab) Simulator(c eval.Condition) (mujoco.Config, error) {
	e := l.Config.Sim.Engine()
	e.Task, e.Randomness, e.Perturb = c.Task, sim.Randomness(c.Randomness), c.Perturb
	var err error
	e.Domain, err = l.Physics(c)
	return e, err
}

// Sensed shows the environment, which it owns from then on, through the sensors of a condition.
func (l *Lab) Sensed(env sim.Env, c eval.Condition) (sim.Env, error) {
	sensors, err := l.Disturbance(c)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	shown, err := disturb.Wrap(env, sensors)
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return shown, nil
}

// Disturbance is the sensors of a condition: those of a named profile, or of disturb.*.
func (l *Lab) Disturbance(c eval.Condition) (disturb.Config, error) {
	if c.Sensing != "" {
		return disturb.Profile(c.Sensing)
	}
	return l.Config.Disturb, nil
}

// Physics is what the episodes of a condition draw: a named profile, or domain.*.
func (l *Lab) Physics(c eval.Condition) (domain.Ranges, error) {
	if c.Physics != "" {
		return domain.Profile(c.Physics)
	}
	return l.Config.Domain, nil
}

// Condition is the setting of sim.* alone. Sensors and physics that change nothing go by the names of their profiles.
func (l *Lab) Condition() eval.Condition {
	s := l.Config.Sim
	c := eval.Condition{
		Task: s.Task, Randomness: string(s.Randomness), Perturb: s.Perturb, Sensing: s.Sensing,
		Physics: s.Physics,
	}
	if sensors, err := l.Disturbance(c); err == nil && !sensors.On() {
		c.Sensing = disturb.Clean
	}
	if ranges, err := l.Physics(c); err == nil && !ranges.On() {
		c.Physics = domain.Nominal
	}
	return c
}

// Lanes opens lanes in lock step for an evaluation.
func (l *Lab) Lanes(ctx context.Context, c eval.Condition) (eval.Player, error) {
	opened, err := l.OpenLane(ctx, c, true, nil)
	if err != nil {
		return nil, err // not opened: a nil *lane.Lane in the interface would not be nil
	}
	return opened, nil
}

// OpenLane starts a robot over ROS on the loopback interface.
func (l *Lab) OpenLane(
	ctx context.Context, c eval.Condition, lockStep bool, onTick func(*loop.Record),
) (*lane.Lane, error) {
	sensing, err := l.Disturbance(c)
	if err != nil {
		return nil, err
	}
	env, err := l.Engine(c)
	if err != nil {
		return nil, err
	}
	return lane.Open(ctx, lane.Config{Env: env, Sensing: sensing, LockStep: lockStep, OnTick: onTick, Logger: l.Logger})
}

// World is the simulated task of the settings.
func (l *Lab) World() (*pipeline.World, error) {
	task, err := sim.TaskByName(l.Config.Sim.Task)
	if err != nil {
		return nil, usage.Wrap(err)
	}
	print, err := mujoco.Fingerprint(task.Name)
	if err != nil {
		return nil, err
	}
	return &pipeline.World{
		Task: task, Robot: Robot, Simulator: print, Open: l.Env, Plain: l.Condition(), Workers: l.Workers(),
		Log: l.Logger,
	}, nil
}

// Conditions are the settings that an evaluation measures.
func (l *Lab) Conditions() []eval.Condition { return l.Config.Eval.Conditions(l.Condition()) }

// EnvTaking makes the simulator of the settings with actions of a form. Disturbances are outermost: a delta starts
// from where the tool is, not from where it seems to be.
func (l *Lab) EnvTaking(form action.Form) (sim.Env, error) {
	c := l.Condition()
	env, err := l.Engine(c)
	if err != nil {
		return nil, err
	}
	return l.Sensed(action.Wrap(env, form), c)
}
