package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"korr/cmd/internal/cli"
	"korr/train/queue"
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
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.kubernetes(cmd.Context()) },
	}
	f := cmd.Flags()
	o.addFlags(f)
	f.StringVar(&o.Korr, "korr", "korr", "the command in the image")
	f.StringVar(&o.Image, "image", "", "an `image` that holds korr and what it links")
	f.StringVar(&o.Namespace, "namespace", "", "of Kubernetes (default its own)")
	return cmd
}

// joinFile is the absolute path of join.json, which is read once to see that it is one.
func (o *launchOptions) joinFile() error {
	if _, err := queue.ParseAddress(o.Join); err != nil {
		return err
	}
	info, err := os.Stat(o.Join)
	if err != nil {
		return cli.UsageErrorf("--join %s: want the file %s or its folder: a URL on a command line is read by everybody",
			o.Join, queue.JoinName)
	}
	if info.IsDir() {
		o.Join = filepath.Join(o.Join, queue.JoinName)
	}
	o.Join, err = filepath.Abs(o.Join)
	return err
}

func (o *launchOptions) slurm(ctx context.Context) error {
	if err := o.joinFile(); err != nil {
		return err
	}
	if o.Korr == "" {
		var err error
		if o.Korr, err = os.Executable(); err != nil {
			return err
		}
	}
	if o.Work != "" {
		var err error
		if o.Work, err = filepath.Abs(o.Work); err != nil {
			return err
		}
	}
	var b bytes.Buffer
	if err := o.Slurm(&b); err != nil {
		return err
	}
	return o.hand(ctx, b.Bytes(), 0o755, "sbatch", "--parsable")
}

func (o *launchOptions) kubernetes(ctx context.Context) error {
	if err := o.joinFile(); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := o.Kubernetes(&b); err != nil {
		return err
	}
	return o.hand(ctx, b.Bytes(), 0o644, "kubectl", "apply", "--filename", "-")
}

// hand writes or prints the text and, when that is asked for, has the command submit it.
func (o *launchOptions) hand(ctx context.Context, text []byte, mode os.FileMode, command ...string) error {
	if o.out != "" {
		if err := os.WriteFile(o.out, text, mode); err != nil {
			return err
		}
	} else if !o.submit {
		if _, err := o.App.Out.Write(text); err != nil {
			return err
		}
	}
	if !o.submit {
		return nil
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var said, wrong bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &said, &wrong
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", command[0], err, bytes.TrimSpace(wrong.Bytes()))
	}
	return o.Printf("%s", said.Bytes())
}
