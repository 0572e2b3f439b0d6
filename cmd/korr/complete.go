package main

import (
	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/sim"
	"korr/sim/action"
	"korr/sim/disturb"
	"korr/train/lab/settings"
	"korr/train/sweep"
)

// values is what shells complete in the command lines of korr: beside what the settings' own checks name, the names of
// tasks, of policies and of what only a flag sets.
func values() cli.Values {
	shipped := []string{"base", string(residual.MethodResiP), string(residual.MethodKORR)}
	acting := append([]string{"expert"}, shipped...)
	methods := shipped[1:]
	return cli.ValuesOf(settings.Defaults(), map[string][]string{
		"sim.task": sim.TaskNames(), "--task": sim.TaskNames(), "--tasks": append(sim.TaskNames(), "all"),
		"--policy": acting, "eval.policies": acting, "run.policy": shipped, "--take-over": shipped,
		"residual.base": {"base"}, "residual.koopman": {string(residual.MethodKORR)},
		"--methods": methods, "--variants": sweep.Names(), "--reference": sweep.Names(),
		"--sensing": disturb.Profiles(), "--action-form": action.Names(),
	})
}
