package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/internal/tensorfile"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/expert"
	"korr/train/eval"
	"korr/train/run"
)

// expertName is the scripted policy that needs no weights.
const expertName = "expert"

// policies finds policies by name (expert, base, resip, korr), by the path of a checkpoint or by the folder of its
// training, and warns when they refine different bases: a comparison should not mix base policies.
func (a *app) policies(names []string) ([]eval.Policy, error) {
	task, err := sim.TaskByName(a.Config.Sim.Task)
	if err != nil {
		return nil, cli.Usage(err)
	}
	out := make([]eval.Policy, 0, len(names))
	bases := map[string]string{}
	for _, name := range names {
		if name == expertName {
			out = append(out, eval.Policy{Name: name, New: func() (sim.Policy, error) {
				return expert.New(task, a.Config.Collect.Expert)
			}})
			continue
		}
		p, err := a.loadPolicy(name)
		if err != nil {
			return nil, err
		}
		a.warnOtherSimulator(name, p)
		out = append(out, eval.Policy{Name: label(name, names), Simulator: simulatorOf(p), New: func() (sim.Policy, error) {
			return p.NewController(task.NewFeatures())
		}})
		print, err := residual.Fingerprint(p.Base)
		if err != nil {
			return nil, err
		}
		bases[print] = name
	}
	if len(bases) > 1 {
		a.Log.Warn("these policies refine different base policies: their difference is not the residual's alone",
			"bases", bases)
	}
	return out, nil
}

// label shortens the path of a checkpoint to the name of its run, unless another of the names would be shortened alike.
func label(name string, among []string) string {
	short := func(name string) string {
		if !strings.HasSuffix(name, ".safetensors") {
			if path, err := robotcmd.CheckpointPath(name); err == nil && path != "" {
				return filepath.Base(filepath.Clean(name)) // the folder of a training
			}
			return name
		}
		dir, file := filepath.Split(filepath.Clean(name))
		if filepath.Base(dir) == run.CheckpointsDir {
			return filepath.Base(filepath.Dir(filepath.Clean(dir)))
		}
		return strings.TrimSuffix(file, ".safetensors")
	}
	for _, other := range among {
		if other != name && short(other) == short(name) {
			return name
		}
	}
	return short(name)
}

// loadPolicy reads a residual policy for the task of the settings, or wraps a base policy into one that acts alone.
func (a *app) loadPolicy(name string) (*residual.Policy, error) {
	p, err := robotcmd.LoadPolicy(name, a.Config.Sim.Task, &a.Config.Base.Acting)
	if err != nil {
		return nil, err
	}
	return p, a.setFilter(p)
}

// setFilter gives the policy the filter of residual.filter; empty leaves it what it was trained behind.
func (a *app) setFilter(p *residual.Policy) error {
	r := a.Config.Residual
	if r.Filter == "" {
		return nil
	}
	if p.Estimation = residual.Estimation(r.Filter); p.Estimation == residual.AsSeen {
		p.Filter = nil
		return nil
	}
	f, err := a.openWeights(r.FilterModel)
	if err != nil {
		return fmt.Errorf("filter %s: %w", r.FilterModel, err)
	}
	fitted, task, err := filter.LoadFrom(f, "")
	if err != nil {
		return fmt.Errorf("filter %s: %w", r.FilterModel, err)
	}
	if task != p.Task {
		return cli.UsageErrorf("filter %s was fitted for task %q, not %q", r.FilterModel, task, p.Task)
	}
	p.Filter = fitted
	return p.Validate()
}

// openWeights reads a checkpoint, or shipped weights of the task of the settings.
func (a *app) openWeights(name string) (*tensorfile.File, error) {
	return robotcmd.OpenWeights(name, a.Config.Sim.Task)
}
