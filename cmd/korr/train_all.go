package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/sim"
	"korr/train/lab"
)

// trainAllOptions are the verb's flags that are no settings.
type trainAllOptions struct {
	trainOptions
	lab.Recipe
	queue string
}

func newCmdTrainAll(a *app) *cobra.Command {
	o := &trainAllOptions{trainOptions: trainOptions{app: a}, Recipe: lab.Recipe{Demos: lab.DefaultDemonstrations}}
	cmd := &cobra.Command{
		Use:   "all",
		Short: "every policy of a task from nothing: demonstrations, base, Koopman model, residual, evaluation",
		Long: `Collects demonstrations of the scripted expert, trains a base policy, a Koopman model and a residual, plays
base and residual on the same episodes at every level, and writes a report with the table and the learning curves. Typed
again it goes on where it stopped, also after kill -9. With --queue workers make it (korr worker), stage by stage, and
the policies are the same.

What follows from the task and its demonstrations needs no setting: how long the base policy is trained, how long an
episode of the residual's training may take and how long it may wait for progress, what it is paid for, and how many
simulator steps are left for it of --steps, which counts those of the demonstrations too. --set and --config stand over
all of that.

With --data it takes demonstrations that are there, whose task is then the task.`,
		Example: `  korr train all --task lamp
  korr train all --data runs/teleop --out runs/mine --methods korr,resip`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainAll(cmd.Context(), o) },
	}
	o.dataFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.to.Dir, "out", "", "`folder` of everything (default: runs/TASK)")
	f.IntVar(&o.Budget, "steps", lab.DefaultBudget, "simulator steps that a policy may take, those of its demonstrations included")
	f.StringSliceVar(&o.Methods, "methods", []string{string(residual.MethodKORR)},
		"residuals to train: korr, resip, or both")
	f.Int("demos", lab.DefaultDemonstrations, "demonstrations to collect")
	f.IntVar(&o.Recoveries, "recoveries", 0, "episodes in which the expert takes over from a first base policy, for the "+
		"base policy to learn from too")
	f.String("randomness", string(sim.Mixed), "initial randomness of demonstrations and training: low, med, high or mixed")
	f.Int("episodes", lab.DefaultEpisodes, "episodes of each policy and condition in the evaluation")
	f.Uint64Var(&o.EvalSeed, "eval-seed", 2, "seed of the evaluation's episodes")
	queueFlag(f, &o.queue)
	cli.SetKey(f, "demos", "collect.episodes")
	cli.SetKey(f, "randomness", "sim.randomness")
	cli.SetKey(f, "episodes", "eval.episodes")
	return cmd
}

func runTrainAll(ctx context.Context, o *trainAllOptions) error {
	if o.to.Dir == "" {
		o.to.Dir = filepath.Join("runs", o.Config.Sim.Task)
	}
	x, closeIt, err := o.QueueOf(ctx, o.queue)
	if err != nil {
		return err
	}
	defer closeIt()
	r, err := o.Make(ctx, o.Recipe, o.to.Dir, x)
	if ctx.Err() != nil {
		o.Log.Warn("interrupted: the same command goes on from here")
	}
	if err != nil {
		return err
	}
	return o.Print(r)
}
