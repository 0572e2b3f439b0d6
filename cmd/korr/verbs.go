package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/progress"
	"korr/cmd/internal/robotcmd"
	"korr/configs"
	"korr/ros/mcap"
	"korr/ros/names"
	"korr/ros/record"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/train/lab"
	"korr/train/lab/settings"
)

// app is what every verb is given: the command line, and the laboratory of its settings.
type app struct {
	*cli.App
	*lab.Lab
}

// interrupted reports whether the user ended the command.
func interrupted(ctx context.Context) bool { return errors.Is(context.Cause(ctx), cli.ErrInterrupted) }

// physics lists the simulators of this build, one for each task; empty in a build without one.
func physics() (out []cli.Physics) {
	for _, name := range sim.TaskNames() {
		if print, err := mujoco.Fingerprint(name); err == nil {
			out = append(out, cli.Physics{Task: name, Fingerprint: print})
		}
	}
	return out
}

// progress starts telling how far a step is; unit names what is counted.
func (a *app) progress(what, unit string, total int) *progress.Progress {
	return progress.New(a.Err, a.Quiet, what, unit, total)
}

// robot is the app of the verbs that the robot's command has too.
func (a *app) robot() *robotcmd.App {
	return &robotcmd.App{
		App: a.App, OtherSimulator: a.WarnOtherSimulator, Dataset: a.inspectDataset, SetFilter: a.SetFilter,
		Recordings: mcap.OpenAny, NewRecording: newMCAP,
		Sections: func() robotcmd.Sections {
			c := a.Config
			return robotcmd.Sections{Seed: c.Seed, Task: c.Sim.Task, Acting: &c.Base.Acting, Run: &c.Run}
		},
	}
}

// newMCAP makes an MCAP file.
func newMCAP(path string) (record.Store, error) {
	w, err := mcap.Create(path)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// rosNames is the identity of a node of the settings.
func (a *app) rosNames(node string) (*names.Names, error) {
	return a.ROSNames(node, a.Config.Run.Master)
}

func newRoot(c *cli.App) *cobra.Command {
	a := &app{App: c, Lab: new(lab.Lab)}
	c.Values = values
	c.Fill = func(o configs.Options) error {
		config, err := settings.Load(o)
		*a.Lab = lab.Lab{
			Config: config, From: o, Logger: c.Log, Cache: c.CacheDir(),
			Progress: func(what, unit string, total int) lab.Progress { return a.progress(what, unit, total) },
		}
		return err
	}
	return c.NewRoot("Koopman-guided online residual refinement: train, evaluate and run assembly policies",
		`korr learns a base policy from demonstrations, a linear (Koopman) model of the task, and a small residual that
corrects the base at every control step; it measures them in simulation and runs them over ROS.

Start with:  korr demo
Settings:    --preset and --config name files, --set residual.alpha=0.05 and KORR_RESIDUAL_ALPHA=0.05 single keys.
Exit codes:  0 ok, 1 failure, 2 usage or configuration, 3 a gate was missed, 4 safety stop, 5 robot or ROS master
             unreachable, 130 interrupted.`, verbs(a)...)
}

// verbs lists the commands in the order of the help.
func verbs(a *app) []*cobra.Command {
	r := a.robot()
	return slices.Concat(
		cli.Group("First steps:", newCmdDemo(a), robotcmd.NewDoctor(r, a.checks()...), cli.NewVersion(a.App, physics)),
		cli.Group("Learn:", newCmdCollect(a), newCmdImport(a), newCmdTrain(a), newCmdExport(a)),
		cli.Group("Measure and look:", newCmdEval(a), newCmdResults(a), newCmdPlot(a), robotcmd.NewInspect(r), newCmdBench(a),
			newCmdVerify(a)),
		cli.Group("Simulate and run:", newCmdSim(a), robotcmd.NewRun(r)),
		cli.Group("Many machines:", newCmdQueue(a), newCmdWorker(a), newCmdLaunch(a)),
	)
}
