package pipeline

import (
	"context"
	"errors"
	"log/slog"

	"korr/internal/usage"
	"korr/residual"
	"korr/sim"
	"korr/sim/expert"
	"korr/train/collect"
	"korr/train/dataset"
	"korr/train/episodes"
	"korr/train/eval"
	"korr/train/td3"
)

// World is the simulated task that the stages work in.
type World struct {
	Task      *sim.Task
	Robot     string                                // the simulated arm, as datasets name it
	Simulator string                                // fingerprint of the physics, noted with what is made there
	Open      func(eval.Condition) (sim.Env, error) // makes a simulator
	Plain     eval.Condition                        // of demonstrations and training
	Workers   int                                   // simulations at once
	Log       *slog.Logger                          // hears what an operator should know
}

// Info describes demonstrations of the task.
func (w *World) Info() (dataset.Info, error) {
	env, err := w.Open(w.Plain)
	if err != nil {
		return dataset.Info{}, err
	}
	spec := env.Spec()
	return dataset.Info{Task: w.Task.Name, Robot: w.Robot, FPS: spec.ControlHz, PartNames: spec.PartNames}, env.Close()
}

// Collect writes demonstrations of the scripted expert to a new folder, or with resume goes on with one that was begun
// under the same settings; c.Workers, c.Origin and c.Done are its own. When it is stopped early, what was collected is
// kept, and a new folder that holds nothing is removed. The error is a usage error where the folder is of other
// settings.
func (w *World) Collect(
	ctx context.Context, c collect.Config, how expert.Config, dir string, resume bool,
) (done collect.Progress, err error) {
	info, err := w.Info()
	if err != nil {
		return done, err
	}
	var before []dataset.Episode
	var out *dataset.Writer
	if resume {
		var d *dataset.Dataset
		if out, d, err = dataset.Extend(dir, info); err == nil {
			before = d.Episodes
		}
	} else {
		out, err = dataset.Create(dir, info)
	}
	if err != nil {
		return done, err
	}
	c.Workers = w.Workers
	c.Origin = dataset.Episode{Randomness: w.Plain.Randomness, Perturb: w.Plain.Perturb, Simulator: w.Simulator}
	if c.Done, err = collect.Before(c, before); err != nil {
		return done, errors.Join(usage.Wrap(err), out.Abort())
	}
	done, err = collect.Collect(ctx, func() (sim.Env, sim.Policy, error) {
		env, err := w.Open(w.Plain)
		if err != nil {
			return nil, nil, err
		}
		e, err := expert.New(w.Task, how)
		if err != nil {
			return nil, nil, errors.Join(err, env.Close())
		}
		return env, e, nil
	}, out, c)
	if err != nil && done.Kept == len(before) {
		return done, errors.Join(err, out.Abort())
	}
	return done, errors.Join(err, out.Close())
}

// TrainingEnv makes environment i of a residual's training on a base policy. Those that collect are dealt pushes and
// trackers and are seen through the policy's filter; those that evaluate are as the world's, and the policy that plays
// there brings its filter.
func (w *World) TrainingEnv(c *td3.Config, base *residual.Policy, i int) (sim.Env, error) {
	at := w.Plain
	if i >= c.Envs {
		return w.Open(at)
	}
	at.Perturb, at.Sensing = c.Deal(i, at.Perturb, at.Sensing)
	env, err := w.Open(at)
	if err != nil {
		return nil, err
	}
	est, err := base.NewEstimator()
	if err != nil {
		return nil, errors.Join(err, env.Close())
	}
	if est == nil {
		return env, nil
	}
	return episodes.NewEstimated(env, est), nil
}
