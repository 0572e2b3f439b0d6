package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"korr/basepolicy"
	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/residual"
	"korr/sim"
	"korr/sim/expert"
	"korr/train/eval"
	"korr/train/run"
)

// expertName is the scripted policy that needs no weights.
const expertName = "expert"

// policies finds policies by name (expert, base, resip, korr) or by the path of a checkpoint, and warns when they refine
// different bases: a comparison should not mix base policies.
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
			return p.NewController(task.NewFeatures()), nil
		}})
		print, err := residual.Fingerprint(p.Base)
		if err != nil {
			return nil, err
		}
		bases[print] = name
	}
	if len(bases) > 1 {
		a.Log.Warn("these policies refine different base policies: their difference is not the residual's alone", "bases", bases)
	}
	return out, nil
}

// label shortens the path of a checkpoint to the name of its run, unless another of the names would be shortened alike.
func label(name string, among []string) string {
	short := func(name string) string {
		if !strings.HasSuffix(name, ".safetensors") {
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
	f, err := a.openWeights(name)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	p, err := decodePolicy(f, a.Config.Base.Acting.Execute)
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name, err)
	}
	if p.Base, err = a.Config.Base.Acting.Apply(p.Base); err != nil {
		return nil, cli.Usage(err)
	}
	if p.Task != a.Config.Sim.Task {
		return nil, cli.UsageErrorf("policy %s was trained for task %q, not %q", name, p.Task, a.Config.Sim.Task)
	}
	return p, nil
}

// decodePolicy tells the two kinds of checkpoint apart by their metadata; execute is for a base policy, which does not
// hold it.
func decodePolicy(f *tensorfile.File, execute int) (*residual.Policy, error) {
	if _, ok := f.Meta["policy"]; ok {
		return residual.LoadFrom(f, nil)
	}
	base, err := basepolicy.LoadFrom(f, "")
	if err != nil {
		return nil, err
	}
	return &residual.Policy{Method: residual.MethodBase, Task: base.About().Origin.Task, Base: base, Execute: min(execute, base.About().Horizon)}, nil
}
