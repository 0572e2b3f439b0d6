// Command korr-robot is what the arm's computer runs: the control loop over ROS, and what looks at policies, recordings
// and the machine. It has the verbs run, inspect, doctor and version of the command korr, and links no training, no
// simulator and no plotting.
package main

import (
	"github.com/spf13/cobra"

	"korr/basepolicy/acting"
	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/configs"
	"korr/residual"
	"korr/ros/robot"
	"korr/sim"
)

func main() { cli.Main("korr-robot", newRoot) }

// config is the sections that the command knows; the comments are those of the command korr.
type config struct {
	Seed uint64         `yaml:"seed"`
	Sim  task           `yaml:"sim"`
	Base acting.Config  `yaml:"base"`
	Run  robot.Settings `yaml:"run"`
}

type task struct {
	Task string `yaml:"task"`
}

func defaults() *config {
	return &config{Seed: 1, Sim: task{"one_leg"}, Base: acting.DefaultConfig(), Run: robot.DefaultSettings()}
}

func newRoot(a *cli.App) *cobra.Command {
	c := defaults()
	a.Fill = func(o configs.Options) error {
		c = defaults()
		return configs.Fill(c, o)
	}
	a.Values = func() cli.Values {
		shipped := []string{"base", "resip", "korr"}
		return cli.ValuesOf(defaults(), map[string][]string{"run.policy": shipped, "sim.task": sim.TaskNames()})
	}
	r := &robotcmd.App{
		App: a,
		Sections: func() robotcmd.Sections {
			return robotcmd.Sections{Seed: c.Seed, Task: c.Sim.Task, Acting: &c.Base, Run: &c.Run}
		},
		OtherSimulator: func(name string, p *residual.Policy) {
			if trained := p.Base.About().Origin.Simulator; trained != "" {
				a.Log.Info("a policy does best in the simulator that it was trained in", "policy", name, "trained", trained)
			}
		},
	}
	return a.NewRoot("the control loop of korr on the arm's computer",
		`korr-robot runs a trained policy on an arm over ROS, and looks at checkpoints, recordings and the machine. Everything
else, from demonstrations to evaluation, is the command korr's.

Start with:  korr-robot doctor
             korr-robot run --dry-run
Settings:    --config names a file, --set run.cpus=3 and KORR_RUN_CPUS=3 single keys: seed, sim.task, base.* and run.*.
Exit codes:  0 ok, 1 failure, 2 usage or configuration, 3 a check failed, 4 safety stop, 5 robot or ROS master
             unreachable, 130 interrupted.`,
		robotcmd.NewRun(r), robotcmd.NewInspect(r), robotcmd.NewDoctor(r), cli.NewVersion(a, nil))
}
