package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/usage"
	"korr/sim"
	"korr/train/lab"
	"korr/train/results"
	"korr/train/sweep"
)

// resultsOptions are the verb's flags that are no settings.
type resultsOptions struct {
	*app
	jobs         lab.Results
	dir, seeds   string
	tasks, bases []string
	queue        string
}

// quickEpisodes are those of --quick, of a cell and seed.
const quickEpisodes = 5

func newCmdResults(a *app) *cobra.Command {
	o := &resultsOptions{app: a}
	cmd := &cobra.Command{
		Use:   "results",
		Short: "every table and figure of the documents, from seeds",
		Long: `Trains, for every task and training seed, ResiP and KORR on an ordinary base policy (50 demonstrations) and on
a robust one (100, and episodes in which the expert takes over from it), plays all of them, the scripted expert and the
shipped weights at every level, without and with pushes, with a clean tracker and with T2, and writes the tables: rates
with their intervals, differences of methods with intervals over training seeds, failures by stage, prediction errors,
and in a file of their own wall times and simulator steps.

Typed again it goes on where it stopped; the tables are there after the first training. The same seeds make the same
results.md, also with --queue, where workers (korr worker) make all trainings and play all episodes, on this machine or
others.`,
		Example: `  korr results --quick --tasks one_leg
  korr results --tasks lamp,round_table --bases ordinary --seeds 1-3`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runResults(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.dir, "out", "runs/results", "`folder` of everything")
	f.StringSliceVar(&o.tasks, "tasks", sim.TaskNames(), "furniture tasks")
	f.StringSliceVar(&o.bases, "bases", []string{string(results.Ordinary), string(results.Robust)},
		"base policies: ordinary, robust, or both")
	f.StringVar(&o.seeds, "seeds", "1-3", "training seeds: `FROM-TO` or a list")
	f.StringSliceVar(&o.jobs.Sensing, "sensing", []string{"clean", "T2"}, "part trackers to evaluate with")
	f.IntVar(&o.jobs.Episodes, "episodes", lab.ResultsEpisodes, "episodes of each policy, condition and seed")
	f.IntVar(&o.jobs.Budget, "steps", lab.DefaultBudget, "simulator steps that a policy may take, everything counted")
	f.Uint64Var(&o.jobs.EvalSeed, "eval-seed", 2, "seed of the evaluation's episodes")
	f.BoolVar(&o.jobs.Quick, cli.QuickPreset, false, "for a look: small trainings, few episodes, the first seed (the preset "+
		"quick)")
	queueFlag(f, &o.queue)
	return cmd
}

func runResults(ctx context.Context, o *resultsOptions) error {
	seeds, err := sweep.ParseSeeds(o.seeds)
	if err != nil {
		return err
	}
	x, closeIt, err := o.QueueOf(ctx, o.queue)
	if err != nil {
		return err
	}
	defer closeIt()
	o.jobs.Lab, o.jobs.Queue = o.Lab, x
	c := results.Config{Dir: o.dir, Tasks: o.tasks, Seeds: seeds, Train: o.jobs.Train, Beside: o.jobs.Beside, Together: x != nil}
	for _, b := range o.bases {
		if !slices.Contains(results.Bases(), results.Base(b)) {
			return usage.Errorf("--bases %s: use ordinary, robust, or both", b)
		}
		c.Bases = append(c.Bases, results.Base(b))
	}
	for _, name := range o.tasks {
		if _, err := sim.TaskByName(name); err != nil {
			return cli.Usage(err)
		}
	}
	if o.jobs.Quick {
		o.jobs.Episodes, c.Seeds = min(o.jobs.Episodes, quickEpisodes), seeds[:1]
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	c.Finished = func(j results.Job, done, of int) {
		o.Log.Info("finished", "task", j.Task, "base", j.Base, "seed", j.Seed, "trainings", fmt.Sprintf("%d/%d", done, of),
			"tables", filepath.Join(o.dir, results.TablesName))
	}
	r, err := results.Run(ctx, c)
	if ctx.Err() != nil {
		o.Log.Warn("interrupted: the same command goes on from here")
	}
	switch {
	case err != nil:
		return err
	case o.JSON:
		return o.PrintJSON(r)
	}
	return r.WriteMarkdown(o.Out)
}
