package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/lab"
	"korr/train/queue"
)

// workerOptions are the verb's flags.
type workerOptions struct {
	*app
	join, dir, name  string
	slots, cores     int
	idle, save, wait time.Duration
}

func newCmdWorker(a *app) *cobra.Command {
	o := &workerOptions{app: a}
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "do the units of a queue: cells of sweeps, shards of evaluations",
		Long: `Joins a queue and does its units, one after the other, until it is interrupted or has been without one for
--idle. It takes units of its own platform alone: the same program, the same physics, a processor and libraries that
calculate the same. Interrupted by SIGINT or SIGTERM it gives its units back with what was done of them; killed, others
take them over from their last checkpoint when their lease runs out.`,
		Example: `  korr worker --join runs/queue
  korr worker --join tls://TOKEN@lab:4222 --slots 16 --idle 5m`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runWorker(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.join, "join", "", "the queue's `address`: nats:// or tls:// URL, or the folder or file join.json of "+
		"its server")
	f.StringVar(&o.dir, "dir", "", "`folder` of units under way and of inputs that came (default the user's cache)")
	f.StringVar(&o.name, "name", "", "of the worker, unique; letters, digits, - and _ (default of host and process)")
	f.IntVar(&o.slots, "slots", 1, "units at once")
	f.IntVar(&o.cores, "cores", 0, "for each unit; 0 = all, shared by the slots")
	f.DurationVar(&o.idle, "idle", 0, "end after so long without a unit; 0 = never")
	f.DurationVar(&o.save, "save", queue.DefaultSave, "least time between two checkpoints of a unit that go to the queue")
	f.DurationVar(&o.wait, "wait", 5*time.Minute, "for a queue that does not answer yet")
	return cmd
}

func runWorker(ctx context.Context, o *workerOptions) error {
	if o.slots < 1 || o.cores < 0 || o.idle < 0 || o.save <= 0 {
		return cli.UsageErrorf("--slots %d --cores %d --idle %s --save %s: want at least one slot and no negative numbers",
			o.slots, o.cores, o.idle, o.save)
	}
	join, err := queue.ParseAddress(o.join)
	if err != nil {
		return err
	}
	if o.cores == 0 {
		o.cores = max(1, runtime.GOMAXPROCS(0)/o.slots)
	}
	if o.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return cli.UsageErrorf("--dir is needed: %v", err)
		}
		o.dir = filepath.Join(cache, "korr", "queue")
	}
	p, err := lab.Platform()
	if err != nil {
		return err
	}
	store, err := queue.Dial(ctx, join, o.Log, o.wait)
	if err != nil {
		return err
	}
	defer store.Close()
	o.Log.Info("worker is up", "queue", store.Join.Host(), "lane", p.Lane(), "program", p.Build, "simulator", p.Simulator,
		"arithmetic", p.Arithmetic,
		"slots", o.slots, "cores", o.cores)
	w := &queue.Worker{
		Store: store, Handlers: o.Handlers(), Platform: p, Name: o.name, Dir: o.dir, Slots: o.slots, Cores: o.cores,
		Idle: o.idle, Save: o.save, Log: o.Log,
	}
	err = w.Run(ctx)
	o.Log.Info("worker ends")
	return err
}
