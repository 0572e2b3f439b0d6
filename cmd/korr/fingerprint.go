package main

import (
	"slices"
	"strings"

	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/sim"
	"korr/sim/mujoco"
)

// simulatorOf is the fingerprint of the simulator that the policy's demonstrations come from, as its checkpoint says;
// several, separated by commas, where they come from several; empty when it does not say.
func simulatorOf(p *residual.Policy) string { return p.Base.About().Origin.Simulator }

// otherSimulator reports whether a checkpoint comes, in part or whole, from another simulator than this build's. One
// that does not say from which is not another.
func otherSimulator(trained, build string) bool {
	if trained == "" || build == "" {
		return false
	}
	return slices.ContainsFunc(strings.Split(trained, ","), func(s string) bool { return strings.TrimSpace(s) != build })
}

// buildSimulator is the fingerprint of this build's simulator of the task; empty in a build without one.
func (a *app) buildSimulator() string {
	print, err := mujoco.Fingerprint(a.Config.Sim.Task)
	if err != nil {
		return "" // whoever needs the simulator says so
	}
	return print
}

// warnOtherSimulator says when a policy was trained in another simulator than the one that it is about to act in.
func (a *app) warnOtherSimulator(name string, p *residual.Policy) {
	if trained, build := simulatorOf(p), a.buildSimulator(); otherSimulator(trained, build) {
		a.Log.Warn("this policy was trained in another simulator than this build's: its success rate here is not the one "+
			"it was trained for; retrain it, or use the build that it comes from",
			"policy", name, "trained", trained, "build", build)
	}
}

// physics lists the simulators of this build, one for each task; empty in a build without one.
func physics() (out []cli.Physics) {
	for _, name := range sim.TaskNames() {
		if print, err := mujoco.Fingerprint(name); err == nil {
			out = append(out, cli.Physics{Task: name, Fingerprint: print})
		}
	}
	return out
}
