package main

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/train/queue/launch"
)

// launchOptions are the flags of launch's verbs.
type launchOptions struct {
	*app
	launch.Workers
	out    string
	submit bool
}

func newCmdLaunch(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "launch",
		Short: "have Slurm or Kubernetes start workers of a queue",
		Long: `Writes, and with --submit submits, what starts workers: they join the queue, do what there is, and end when
they have been idle for a while. The launcher schedules places, not units: a worker that is killed or preempted leaves
its unit to the others.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCmdLaunchSlurm(a), newCmdLaunchKubernetes(a))
	return cmd
}

func (o *launchOptions) addFlags(f *pflag.FlagSet) {
	f.StringVar(&o.Join, "join", "", "the `file` join.json of the queue's server, or its folder")
	f.IntVar(&o.Count, "workers", 1, "how many")
	f.IntVar(&o.Cores, "cores", 1, "of each worker")
	f.IntVar(&o.MemoryMB, "memory", 2048, "of each worker, MB")
	f.DurationVar(&o.Limit, "time", 24*time.Hour, "after which a worker is ended")
	f.DurationVar(&o.Idle, "idle", 5*time.Minute, "without a unit after which a worker ends by itself")
	f.StringVar(&o.Name, "name", "korr-worker", "of the job")
	f.StringVar(&o.out, "out", "", "`file` to write; empty = print it")
	f.BoolVar(&o.submit, "submit", false, "submit it too")
}

func newCmdLaunchSlurm(a *app) *cobra.Command {
	o := &launchOptions{app: a}
	cmd := &cobra.Command{
		Use:   "slurm",
		Short: "an array job of workers",
		Long: `Writes the script of an array job. join.json, the command and --dir have to be on a file system that every node
sees. Two minutes before the time is over, or when the task is preempted, the worker gives its unit back with a
checkpoint.`,
		Example: `  korr launch slurm --join /shared/queue --workers 100 --submit
  korr launch slurm --join /shared/queue --workers 20 --cores 4 --partition short --out workers.sh`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.slurm(cmd.Context()) },
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.Korr, "korr", "", "the command on the nodes, an absolute `path` (default this one)")
	f.StringVar(&o.Work, "dir", "", "`folder` of units under way and of inputs, on the nodes (default the user's cache)")
	f.StringVar(&o.Partition, "partition", "", "of Slurm (default its own)")
	f.StringVar(&o.Account, "account", "", "of Slurm (default the user's)")
	return cmd
}

func newCmdLaunchKubernetes(a *app) *cobra.Command {
	o := &launchOptions{app: a}
	cmd := &cobra.Command{
		Use:   "kubernetes",
		Short: "a Job of workers",
		Long: `Writes the manifest of a Job whose pods are workers. They read join.json from a Secret, which the command in
the manifest's first line makes. The queue's server has to be reachable from the pods, by the name in join.json.`,
		Example: `  korr launch kubernetes --join runs/queue --image registry.lab/korr:1 --workers 50 --out workers.yaml`,
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.start(cmd.Context(), launch.Kubernetes) },
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.Korr, "korr", "korr", "the command in the image")
	f.StringVar(&o.Image, "image", "", "an `image` that holds korr and what it links")
	f.StringVar(&o.Namespace, "namespace", "", "of Kubernetes (default its own)")
	return cmd
}

// slurm starts workers by Slurm.
func (o *launchOptions) slurm(ctx context.Context) (err error) {
	if o.Korr == "" {
		if o.Korr, err = os.Executable(); err != nil {
			return err
		}
	}
	if o.Work != "" {
		if o.Work, err = filepath.Abs(o.Work); err != nil {
			return err
		}
	}
	return o.start(ctx, launch.Slurm)
}

func (o *launchOptions) start(ctx context.Context, to launch.Target) error {
	return o.Start(ctx, to, o.out, o.submit, o.App.Out)
}
