package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/internal/usage"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
	"korr/train/pipeline"
	"korr/train/results"
	"korr/train/sweep"
	"korr/train/unit"
)

// resultsOptions are the verb's flags that are no settings.
type resultsOptions struct {
	*app
	dir, seeds       string
	tasks, bases     []string
	sensing          []string
	budget, episodes int
	evalSeed         uint64
	quick            bool
	queue            string
	x                unit.Executor // of --queue; nil: this process
}

// Sizes of korr results in full.
const (
	resultsEpisodes  = 334 // of a cell and seed: 1,000 over three seeds
	quickEpisodes    = 5
	ordinaryDemos    = 50 // as published
	robustDemos      = 100
	robustRecoveries = 100
	quickRecoveries  = 10
)

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
	f.StringSliceVar(&o.sensing, "sensing", []string{"clean", "T2"}, "part trackers to evaluate with")
	f.IntVar(&o.episodes, "episodes", resultsEpisodes, "episodes of each policy, condition and seed")
	f.IntVar(&o.budget, "steps", allBudget, "simulator steps that a policy may take, everything counted")
	f.Uint64Var(&o.evalSeed, "eval-seed", 2, "seed of the evaluation's episodes")
	f.BoolVar(&o.quick, cli.QuickPreset, false, "for a look: small trainings, few episodes, the first seed (the preset "+
		"quick)")
	queueFlag(f, &o.queue)
	return cmd
}

func runResults(ctx context.Context, o *resultsOptions) error {
	seeds, err := sweep.ParseSeeds(o.seeds)
	if err != nil {
		return err
	}
	x, closeIt, err := o.pipelineExecutor(ctx, o.queue)
	if err != nil {
		return err
	}
	defer closeIt()
	o.x = x
	c := results.Config{Dir: o.dir, Tasks: o.tasks, Seeds: seeds, Train: o.train, Beside: o.beside, Together: o.x != nil}
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
	if o.quick {
		o.episodes, c.Seeds = min(o.episodes, quickEpisodes), seeds[:1]
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

// layered is an app whose settings are this one's with more above them.
func (o *resultsOptions) layered(set ...string) *app {
	own := *o.App
	own.Layers.Set = append(slices.Clone(own.Layers.Set), set...)
	return &app{App: &own, Config: o.Config}
}

// train makes a job.
func (o *resultsOptions) train(ctx context.Context, j results.Job) (*pipeline.Result, error) {
	all := &trainAllOptions{
		recipe: recipe{
			Budget: o.budget, EvalSeed: o.evalSeed, Demos: ordinaryDemos, Methods: []string{
				string(residual.MethodResiP),
				string(residual.MethodKORR),
			},
		},
		trainOptions: trainOptions{runDir: j.Dir, app: o.layered(
			"sim.task="+j.Task, fmt.Sprintf("seed=%d", j.Seed), "eval.sensing=["+strings.Join(o.sensing, ",")+"]",
			fmt.Sprintf("eval.episodes=%d", o.episodes),
		)},
	}
	if j.Base == results.Robust {
		if all.Demos, all.Recoveries = robustDemos, robustRecoveries; o.quick {
			all.Recoveries = quickRecoveries
		}
	}
	var err error
	if all.Config, err = all.allSettings(j.Task, nil); err != nil {
		return nil, err
	}
	return all.run(ctx, o.x)
}

// beside plays the expert and the shipped weights of a task.
func (o *resultsOptions) beside(ctx context.Context, task, path string) ([]eval.Result, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	a := o.layered("sim.task="+task, "eval.sensing=["+strings.Join(o.sensing, ",")+"]")
	first, err := (&trainAllOptions{
		trainOptions: trainOptions{app: a},
		recipe:       recipe{Demos: ordinaryDemos},
	}).allSettings(task, nil)
	if err != nil {
		return nil, err
	}
	a.Config = first
	names := []string{expertName}
	for _, name := range configs.ShippedWeights() {
		if t, policy, _ := strings.Cut(name, "/"); t == task && slices.Contains([]string{"base", "resip", "korr"}, policy) {
			names = append(names, policy)
		}
	}
	policies, err := a.policies(names)
	if err != nil {
		return nil, err
	}
	plan := eval.Plan{Conditions: a.conditions(), Episodes: o.episodes, Seed: o.evalSeed}
	for _, name := range names {
		label := name
		if name != expertName {
			label = "shipped " + name
		}
		plan.Policies = append(plan.Policies, eval.Entry{Label: label, Name: name})
	}
	x := o.x
	if p := a.progress("expert and shipped weights of "+task, "episodes", 1); x == nil {
		plan.Progress = p.setOf
		x = a.local(unit.Handlers{eval.Kind: eval.Handler(func(_ *unit.Task, s *eval.Shard) (eval.Spec, error) {
			named, err := eval.Named(policies, s.Policies)
			return eval.Spec{Policies: named, Workers: a.workers(), Open: eval.InProcess(a.newEnv)}, err
		})})
		defer func() { p.finish(fmt.Sprintf("%d conditions", len(plan.Conditions)*len(names))) }()
	} else {
		plan.Size = eval.ShardEpisodes
		c := evalConfig(a.Config)
		if plan.Inputs, err = unitInputs(c, c); err != nil {
			return nil, err
		}
	}
	played, err := pipeline.Evaluate(ctx, plan, path, "expert and shipped weights of "+task, x)
	return pipeline.Results(played), err
}
