package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/verify/longrun"
)

func newCmdVerifyLoop(a *app) *cobra.Command {
	c, ros2 := longrun.Config{}, false
	cmd := &cobra.Command{
		Use:   "loop",
		Short: "deadlines in real time, or memory over an hour of control in lock step",
		Long: `Starts the simulator's node and the control node, with the policy, rate and real-time settings run.*, as
processes of their own. In real time it counts missed deadlines, and control steps without an action because a chunk was
late, and exits with 3 when there was one. With --lock-step it runs whole episodes until --ticks commands were sent, and
exits with 3 when the control node's resident memory, heap or number of goroutines grew by more than --growth (the least
of the last third over the least of the second).`,
		Example: `  korr verify loop --minutes 10
  korr verify loop --minutes 10 --ros2
  korr verify loop --lock-step --ticks 36000 --json`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerifyLoop(cmd.Context(), a, c, ros2) },
	}
	f := cmd.Flags()
	f.Float64Var(&c.Minutes, "minutes", 10, "of real time")
	f.BoolVar(&c.LockStep, "lock-step", false, "as fast as the simulator can, and watch memory")
	f.IntVar(&c.Ticks, "ticks", 36000, "commands in lock step; 36000 are an hour at 10 Hz")
	f.Float64Var(&c.Growth, "growth", 0.05, "of memory that is allowed, a fraction")
	f.BoolVar(&ros2, "ros2", false, "over ROS 2 instead of ROS 1")
	return cmd
}

func runVerifyLoop(ctx context.Context, a *app, c longrun.Config, ros2 bool) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	common := []string{"--quiet"}
	for _, kv := range a.Overrides {
		common = append(common, "--set", kv)
	}
	c.RateHz = a.Config.Run.RateHz
	c.Simulator, c.Control = []string{self, "sim", "--ros", "--master"}, []string{self, "run", "--yes", "--json", "--wait"}
	if ros2 {
		c.Simulator, c.Control = []string{self, "sim", "--ros2"}, []string{self, "run", "--yes", "--json", "--robot", "ros2"}
	}
	c.Simulator, c.Control = append(c.Simulator, common...), append(c.Control, common...)
	p := a.progress("loop", "s", int(60*c.Minutes))
	c.Progress = func(s, of int) { p.Set(s, of, "") }
	r, err := longrun.Run(ctx, c)
	if err != nil {
		return err
	}
	return a.Judge("verify loop", r)
}
