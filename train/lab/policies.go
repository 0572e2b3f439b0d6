package lab

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"korr/configs/checkpoint"
	"korr/internal/tensorfile"
	"korr/internal/usage"
	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
	"korr/sim/expert"
	"korr/sim/mujoco"
	"korr/train/eval"
	"korr/train/run"
)

// Expert is the scripted policy that needs no weights.
const Expert = "expert"

// Policies finds policies by name (expert, base, resip, korr), by the path of a checkpoint or by the folder of its
// training, and warns when they refine different bases: a comparison should not mix base policies.
func (l *Lab) Policies(names []string) ([]eval.Policy, error) {
	task, err := sim.TaskByName(l.Config.Sim.Task)
	if err != nil {
		return nil, usage.Wrap(err)
	}
	out := make([]eval.Policy, 0, len(names))
	bases := map[string]string{}
	for _, name := range names {
		if name == Expert {
			out = append(out, eval.Policy{Name: name, New: func() (sim.Policy, error) {
				return expert.New(task, l.Config.Collect.Expert)
			}})
			continue
		}
		p, err := l.LoadPolicy(name)
		if err != nil {
			return nil, err
		}
		l.WarnOtherSimulator(name, p)
		out = append(out, eval.Policy{Name: Label(name, names), Simulator: simulatorOf(p), New: func() (sim.Policy, error) {
			return p.NewController(task.NewFeatures())
		}})
		print, err := residual.Fingerprint(p.Base)
		if err != nil {
			return nil, err
		}
		bases[print] = name
	}
	if len(bases) > 1 {
		l.Logger.Warn("these policies refine different base policies: their difference is not the residual's alone",
			"bases", bases)
	}
	return out, nil
}

// Label shortens the path of a checkpoint to the name of its run, unless another of the names would be shortened alike.
func Label(name string, among []string) string {
	short := func(name string) string {
		if !strings.HasSuffix(name, ".safetensors") {
			if path, err := checkpoint.Path(name); err == nil && path != "" {
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

// LoadPolicy reads a residual policy for the task of the settings, or wraps a base policy into one that acts alone.
func (l *Lab) LoadPolicy(name string) (*residual.Policy, error) {
	p, err := checkpoint.Policy(name, l.Config.Sim.Task, &l.Config.Base.Acting)
	if err != nil {
		return nil, err
	}
	return p, l.SetFilter(p)
}

// SetFilter gives the policy the filter of residual.filter; empty leaves it what it was trained behind.
func (l *Lab) SetFilter(p *residual.Policy) error {
	r := l.Config.Residual
	if r.Filter == "" {
		return nil
	}
	if p.Estimation = residual.Estimation(r.Filter); p.Estimation == residual.AsSeen {
		p.Filter = nil
		return nil
	}
	f, err := l.OpenWeights(r.FilterModel)
	if err != nil {
		return fmt.Errorf("filter %s: %w", r.FilterModel, err)
	}
	fitted, task, err := filter.LoadFrom(f, "")
	if err != nil {
		return fmt.Errorf("filter %s: %w", r.FilterModel, err)
	}
	if task != p.Task {
		return usage.Errorf("filter %s was fitted for task %q, not %q", r.FilterModel, task, p.Task)
	}
	p.Filter = fitted
	return p.Validate()
}

// OpenWeights reads a checkpoint, or shipped weights of the task of the settings.
func (l *Lab) OpenWeights(name string) (*tensorfile.File, error) {
	return checkpoint.Open(name, l.Config.Sim.Task)
}

// simulatorOf is the fingerprint of the simulator that the policy's demonstrations come from, as its checkpoint says;
// several, separated by commas, where they come from several; empty when it does not say.
func simulatorOf(p *residual.Policy) string { return p.Base.About().Origin.Simulator }

// OtherSimulator reports whether a checkpoint comes, in part or whole, from another simulator than this build's. One
// that does not say from which is not another.
func OtherSimulator(trained, build string) bool {
	if trained == "" || build == "" {
		return false
	}
	return slices.ContainsFunc(strings.Split(trained, ","), func(s string) bool { return strings.TrimSpace(s) != build })
}

// BuildSimulator is the fingerprint of this build's simulator of the task; empty in a build without one.
func (l *Lab) BuildSimulator() string {
	print, err := mujoco.Fingerprint(l.Config.Sim.Task)
	if err != nil {
		return "" // whoever needs the simulator says so
	}
	return print
}

// WarnOtherSimulator says when a policy was trained in another simulator than the one that it is about to act in.
func (l *Lab) WarnOtherSimulator(name string, p *residual.Policy) {
	if trained, build := simulatorOf(p), l.BuildSimulator(); OtherSimulator(trained, build) {
		l.Logger.Warn("this policy was trained in another simulator than this build's: its success rate here is not the one "+
			"it was trained for; retrain it, or use the build that it comes from",
			"policy", name, "trained", trained, "build", build)
	}
}
