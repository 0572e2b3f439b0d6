package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/sim"
	"korr/train/collect"
	"korr/train/episodes"
)

// robotName is the simulated arm, as datasets name it.
const robotName = "franka_panda"

// collectOptions are the verb's flags that are no settings.
type collectOptions struct {
	*app
	dir      string
	takeOver string // policy that the expert takes over from
	calm     bool
	resume   bool
	bags     bagOptions
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
			if o.bags.given() {
				return nil
			}
			return cli.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.takeOver != "" && o.resume {
				return cli.UsageErrorf("--resume goes on with whole demonstrations: what was taken over is not begun again")
			}
			if o.bags.given() && o.resume {
				return cli.UsageErrorf("--resume goes on with the expert's demonstrations: --from-bag reads all its bags at once")
			}
			if o.bags.given() {
				o.bags.files = append(o.bags.files, args...)
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
	o.bags.flags(f)
	return cmd
}

// collectResult is what the verb prints.
type collectResult struct {
	Schema    string `json:"schema"` // korr.collect/1
	Folder    string `json:"folder"`
	Episodes  int    `json:"episodes"`
	Frames    int    `json:"frames"`
	Attempts  int    `json:"attempts"`
	Successes int    `json:"successes"`
	Steps     int    `json:"steps"` // control steps of the simulator, what was not kept included

	Takeovers map[collect.Cause]int `json:"takeovers,omitempty"` // with --take-over, by cause
	Recovered map[collect.Cause]int `json:"recovered,omitempty"` // of those, solved
}

func runCollect(ctx context.Context, o *collectOptions) error {
	if err := o.allowForTakeOver(); err != nil {
		return err
	}
	recovery, err := o.recovery()
	if err != nil {
		return err
	}
	done, err := o.collect(ctx, o.dir, o.resume, recovery)
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
	return errors.Join(err, o.printCollect(collectResult{
		"korr.collect/1", o.dir, done.Kept, done.Frames, done.Attempts, done.Successes, done.Steps, done.Takeovers,
		done.Recovered,
	}))
}

// collect writes the expert's episodes, or what it does when it takes over, into a dataset folder, telling its
// progress.
func (a *app) collect(
	ctx context.Context, dir string, resume bool, recovery *collect.Recovery,
) (collect.Progress, error) {
	w, err := a.world()
	if err != nil {
		return collect.Progress{}, err
	}
	c := a.Config.Collect.Recording
	p := a.progress("collect", "episodes", c.Episodes)
	c.Seed, c.Recovery = a.Config.Seed, recovery
	c.Progress = func(now collect.Progress) { p.set(now.Kept, c.Episodes, fmt.Sprintf("%d attempts", now.Attempts)) }
	done, err := w.Collect(ctx, c, a.Config.Collect.Expert, dir, resume)
	if err == nil {
		p.finish(fmt.Sprintf("%d episodes, %d frames", done.Kept, done.Frames))
	}
	return done, err
}

func (o *collectOptions) printCollect(r collectResult) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.printCollected(r)
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

func (o *collectOptions) printCollected(r collectResult) error {
	if o.takeOver == "" {
		return o.Printf("%s: %d episodes, %d frames; the expert solved %d of %d; %d simulator steps\n",
			r.Folder, r.Episodes, r.Frames, r.Successes, r.Attempts, r.Steps)
	}
	taken := 0
	for _, n := range r.Takeovers {
		taken += n
	}
	if err := o.Printf("%s: %d episodes, %d frames; in %d of %d attempts the expert took over, and solved %d; %d "+
		"simulator steps\n",
		r.Folder, r.Episodes, r.Frames, taken, r.Attempts, r.Successes, r.Steps); err != nil {
		return err
	}
	for _, c := range collect.Causes() {
		if err := o.Printf("  %-5s  %d of %d\n", c, r.Recovered[c], r.Takeovers[c]); err != nil {
			return err
		}
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
	t := trainOptions{app: o.app}
	demos, err := t.demonstrations()
	if err != nil {
		return nil, err
	}
	policies, err := o.policies([]string{o.takeOver})
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(o.Config.Sim.Task)
	if err != nil {
		return nil, cli.Usage(err)
	}
	stages, err := episodes.StageTimes(task, demos.Episodes)
	if err != nil {
		return nil, err
	}
	return &collect.Recovery{Policy: policies[0].Name, New: policies[0].New, Stages: stages, Task: task, Calm: o.calm}, nil
}
