package main

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/verify/spread"
)

// verifyQueueOptions are the verb's flags.
type verifyQueueOptions struct {
	*app
	kills   int
	keep    bool
	timeout time.Duration
}

func newCmdVerifyQueue(a *app) *cobra.Command {
	o := &verifyQueueOptions{app: a}
	cmd := &cobra.Command{
		Use:   "queue",
		Short: "a sweep and an evaluation by a queue under kills, against one process, byte for byte",
		Long: `Does a small sweep and a small evaluation in one process each, and again through a queue: a server, three
workers and two submitters, processes of their own on the loopback interface. Meanwhile a worker is paused until another
has its unit, then wakes up late; workers are killed, the server is killed once, the sweep's submitter is interrupted
and started again. Tables, episodes and policies have to be equal byte for byte. Exits with 3 when one is not.`,
		Example: "  korr verify queue\n  korr verify queue --seed 7 --json",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runVerifyQueue(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.kills, "kills", 4, "of workers")
	f.BoolVar(&o.keep, "keep", false, "keep the folder of what came out; it is kept too when something differs")
	f.DurationVar(&o.timeout, "timeout", 15*time.Minute, "for everything")
	return cmd
}

// smallest are settings under which little is learned and everything runs, with checkpoints on the way.
var smallest = []string{
	"sim.max_steps=20", "residual.critic_start=64", "residual.actor_start=96", "residual.envs=4", "residual.batch=8",
	"residual.members=1",
	"residual.utd=0.125", "residual.checkpoint_every=80", "residual.actor_hidden=16", "residual.critic_hidden=16",
}

func runVerifyQueue(ctx context.Context, o *verifyQueueOptions) error {
	if o.kills < 2 || o.timeout <= 0 {
		return cli.UsageErrorf("--kills %d --timeout %s: want at least two kills, and some time", o.kills, o.timeout)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "korr-verify-queue-")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, cli.GateErrorf("not done in %s", o.timeout))
	defer cancel()
	c := spread.Config{
		Korr: self, Dir: dir, Seed: o.Config.Seed, Kills: o.kills, Lease: 3 * time.Second, Log: o.Log,
		Sweep:    []string{"--variants", "resip,korr", "--seeds", "1", "--steps", "640", "--episodes", "4"},
		Eval:     []string{"--policy", "base,korr", "--perturb", "both", "--episodes", "8", "--seed", "5"},
		Progress: func(step string) { o.Log.Info("verify queue", "step", step, "folder", dir) },
	}
	for _, kv := range smallest {
		c.Settings = append(c.Settings, "--set", kv)
	}
	r, err := spread.Run(ctx, c)
	if err == nil && r.Passed && !o.keep {
		err = os.RemoveAll(dir)
	} else {
		o.Log.Warn("what came out is kept", "folder", dir)
	}
	if err != nil {
		return err
	}
	if o.JSON {
		err = o.PrintJSON(r)
	} else {
		err = r.WriteText(o.Out)
	}
	if err == nil && !r.Passed {
		err = cli.GateErrorf("verify queue: the queue's outcome is not that of one process: %s", dir)
	}
	return err
}
