package main

import (
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/recorder"
	"korr/sim"
	"korr/train/collect"
)

// collectOptions are the verb's flags that are no settings.
type collectOptions struct {
	*app
	dir      string
	takeOver string // policy that the expert takes over from
	calm     bool
	resume   bool
	bags     recorder.Bags
}

func newCmdCollect(a *app) *cobra.Command {
	o := &collectOptions{app: a}
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "demonstrations of the scripted expert, or of teleoperated recordings, as a LeRobot v3.0 dataset",
		Long: `Writes demonstrations as a LeRobot v3.0 dataset: of the scripted expert in the simulator, or, with --from-bag,
of ROS bags that hold an arm's state, its gripper, the parts and the commanded poses (docs/recording.md).

With --take-over the expert takes over from a policy, and only what it does from there is kept: what a base policy needs
to have seen to get on after a mistake or a push. Of half of the episodes the expert takes over at a random time, of the
others when the policy waits longer for a stage than any demonstration in --data did, or when it loses a part. Such
episodes may take twice the task's steps, unless sim.max_steps says how many.

Interrupted, it keeps the episodes that it has; the same command with --resume goes on, and the dataset is then the one
that was never interrupted.`,
		Example: `  korr collect --episodes 50
  korr collect --episodes 200 --resume
  korr collect --take-over runs/base --data runs/demos --episodes 300 --out runs/recoveries \
      --randomness mixed --set sim.perturb=1 --calm
  korr collect --from-bag monday.bag tuesday.bag --out runs/teleop --episode-gap 5s
  korr collect --from-bag lab.bag --topic parts=/tracker/poses --topic marker=/pedal --topic success=/verdict`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.fromBags() {
				return nil
			}
			return cli.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.takeOver != "" && o.resume:
				return cli.UsageErrorf("--resume goes on with whole demonstrations: what was taken over is not begun again")
			case o.fromBags() && o.resume:
				return cli.UsageErrorf("--resume goes on with the expert's demonstrations: --from-bag reads all its bags at once")
			case o.fromBags():
				o.bags.Files = append(o.bags.Files, args...)
				return o.collectBags(cmd.Context())
			}
			return runCollect(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "out", "runs/demos", "dataset `folder` to create")
	f.BoolVar(&o.resume, "resume", false, "go on with the dataset in --out, which was interrupted or is to grow to "+
		"--episodes")
	f.Int("episodes", 50, "demonstrations to keep")
	f.String("task", "one_leg", "furniture task")
	f.String("randomness", "low", "initial randomness: low, med, high or mixed")
	cli.SetKey(f, "episodes", "collect.episodes")
	cli.SetKey(f, "task", "sim.task")
	cli.SetKey(f, "randomness", "sim.randomness")
	f.StringVar(&o.takeOver, "take-over", "", "let the expert take over from this `policy`: base, resip, korr or a "+
		"checkpoint")
	f.BoolVar(&o.calm, "calm", false, "with --take-over: no pushes once the expert acts")
	f.String("data", "", "with --take-over: `folder` of demonstrations, whose stage times say when the policy has stalled")
	cli.SetKey(f, "data", "demos")
	bagFlags(f, &o.bags)
	return cmd
}

// fromBags reports whether demonstrations come from recordings.
func (o *collectOptions) fromBags() bool { return len(o.bags.Files) > 0 }

func runCollect(ctx context.Context, o *collectOptions) error {
	if err := o.allowForTakeOver(); err != nil {
		return err
	}
	recovery, err := o.recovery()
	if err != nil {
		return err
	}
	done, err := o.Collect(ctx, o.dir, o.resume, recovery)
	if errors.Is(err, fs.ErrExist) {
		return cli.UsageErrorf("%w; --resume goes on with it", err)
	}
	if err != nil && done.Kept == 0 {
		return err
	}
	if err != nil {
		o.Log.Warn("stopped early; what was collected is kept, and the same command with --resume goes on",
			"folder", o.dir, "episodes", done.Kept)
	}
	return errors.Join(err, o.Print(done.Result(o.dir, recovery != nil)))
}

// allowForTakeOver gives an expert that takes over late the time to finish.
func (o *collectOptions) allowForTakeOver() error {
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return cli.Usage(err)
	}
	if o.takeOver != "" && o.Config.Sim.MaxSteps == 0 {
		o.Config.Sim.MaxSteps = 2 * task.MaxSteps
	}
	return nil
}

// recovery is what the expert takes over from; nil without --take-over.
func (o *collectOptions) recovery() (*collect.Recovery, error) {
	if o.takeOver == "" {
		if o.calm {
			return nil, cli.UsageErrorf("--calm needs --take-over POLICY")
		}
		return nil, nil
	}
	return o.Recovery(o.takeOver, o.calm)
}
