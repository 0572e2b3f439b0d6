package main

import (
	"slices"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/ros/mcap"
	"korr/ros/names"
	"korr/ros/record"
)

// app is what every verb is given, with what the verbs of this command share: simulators, policies, progress.
type app struct {
	*cli.App
	Config *settings.Config
}

// with is the app under other settings.
func (a *app) with(c *settings.Config) *app { return &app{a.App, c} }

// robot is the app of the verbs that the robot's command has too.
func (a *app) robot() *robotcmd.App {
	return &robotcmd.App{
		App: a.App, OtherSimulator: a.warnOtherSimulator, Dataset: a.inspectDataset, SetFilter: a.setFilter,
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
	a := &app{App: c}
	c.Values = settings.Values
	c.Fill = func(o configs.Options) (err error) {
		a.Config, err = settings.Load(o)
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
