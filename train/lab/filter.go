package lab

import (
	"context"
	"fmt"

	"korr/basepolicy"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/expert"
	"korr/train/sense"
)

// FitFilter plays episodes with true poses, fits the filter of part poses to the first of them, writes it into the file
// out, and shows the heldOut others through the trackers of the profiles to it and its rivals.
func (l *Lab) FitFilter(ctx context.Context, out string, episodes, heldOut int, profiles []string) (*sense.Report, error) {
	var trackers []disturb.Config
	for _, name := range profiles {
		c, err := disturb.Profile(name)
		if err != nil {
			return nil, usage.Wrap(err)
		}
		trackers = append(trackers, c)
	}
	task, err := sim.TaskByName(l.Config.Sim.Task)
	if err != nil {
		return nil, usage.Wrap(err)
	}
	base, err := l.filterBase()
	if err != nil {
		return nil, err
	}
	rolls, err := l.filterRolls(ctx, task, base, episodes+heldOut)
	if err != nil {
		return nil, err
	}
	fit := make([]filter.Episode, episodes)
	for i := range fit {
		fit[i] = rolls[i].Episode()
	}
	fitted, err := filter.Fit(sense.SceneOf(task), fit)
	if err != nil {
		return nil, err
	}
	var file tensorfile.File
	err = fitted.SaveTo(&file, "", task.Name)
	if err == nil {
		err = tensorfile.Write(out, &file)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", out, err)
	}
	r := &sense.Report{Schema: sense.Schema, File: out}
	for i, c := range trackers {
		e, err := sense.Compare(task, rolls[episodes:], c, sense.Methods(fitted))
		if err != nil {
			return nil, err
		}
		r.Sensing = append(r.Sensing, sense.Tracked{Sensing: profiles[i], Errors: e})
	}
	return r, nil
}

// filterBase is the policy that plays every third episode.
func (l *Lab) filterBase() (*residual.Policy, error) {
	name := l.Config.Residual.Base
	f, err := l.OpenWeights(name)
	if err != nil {
		return nil, fmt.Errorf("base policy %s: %w", name, err)
	}
	base, err := basepolicy.LoadFrom(f, "")
	if err != nil {
		return nil, fmt.Errorf("base policy %s: %w", name, err)
	}
	p := &residual.Policy{
		Method: residual.MethodBase, Task: base.About().Origin.Task, Base: base,
		Execute: min(l.Config.Base.Acting.Execute, base.About().Horizon),
	}
	return p, p.Validate()
}

// filterRolls plays n episodes, with true poses whatever sensors the settings name.
func (l *Lab) filterRolls(ctx context.Context, task *sim.Task, base *residual.Policy, n int) ([]sense.Roll, error) {
	p := l.begin("train filter", "episodes", n)
	c := l.Condition()
	c.Randomness, c.Perturb, c.Sensing = string(sim.Mixed), 0, disturb.Clean
	rolls, err := sense.Play(ctx, sense.Plays{
		Episodes: n, Seed: l.Config.Seed, Workers: l.Workers(), Open: func() (sim.Env, error) { return l.Env(c) },
		Expert:   func() (sim.Policy, error) { return expert.New(task, expert.Config{}) },
		Base:     func() (sim.Policy, error) { return base.NewController(task.NewFeatures()) },
		Progress: p.SetOf,
	})
	if err == nil {
		p.Finish(fmt.Sprintf("%d episodes", n))
	}
	return rolls, err
}
