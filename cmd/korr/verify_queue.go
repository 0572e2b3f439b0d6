package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/verify/spread"
)

func newCmdVerifyQueue(a *app) *cobra.Command {
	c, timeout := spread.Config{}, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "a sweep and an evaluation by a queue under kills, against one process, byte for byte",
		Long: `Does a small sweep and a small evaluation in one process each, and again through a queue: a server, three
workers and two submitters, processes of their own on the loopback interface. Meanwhile a worker is paused until another
has its unit, then wakes up late; workers are killed, the server is killed once, the sweep's submitter is interrupted
and started again. Tables, episodes and policies have to be equal byte for byte. Exits with 3 when one is not.`,
		Example: "  korr verify queue\n  korr verify queue --seed 7 --json",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVerifyQueue(cmd.Context(), a, c, timeout) },
	}
	f := cmd.Flags()
	f.IntVar(&c.Kills, "kills", 4, "of workers")
	f.BoolVar(&c.Keep, "keep", false, "keep the folder of what came out; it is kept too when something differs")
	f.DurationVar(&timeout, "timeout", 15*time.Minute, "for everything")
	return cmd
}

func runVerifyQueue(ctx context.Context, a *app, c spread.Config, timeout time.Duration) (err error) {
	if c.Kills < 2 || timeout <= 0 {
		return cli.UsageErrorf("--kills %d --timeout %s: want at least two kills, and some time", c.Kills, timeout)
	}
	if c.Korr, err = os.Executable(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, cli.GateErrorf("not done in %s", timeout))
	defer cancel()
	c.Seed, c.Log = a.Config.Seed, a.Log
	c.Progress = func(step, dir string) { a.Log.Info("verify queue", "step", step, "folder", dir) }
	r, err := spread.Run(ctx, c)
	if err != nil {
		return err
	}
	return a.Judge("verify queue", r)
}
