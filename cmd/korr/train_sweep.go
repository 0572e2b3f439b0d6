package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/eval"
	"korr/train/sweep"
	"korr/train/unit"
)

// sweepOptions are the verb's flags.
type sweepOptions struct {
	*app
	out, seeds, reference string
	variants, define      []string
	perturb               []float64
	evalSeed              uint64
	queue                 string
	noTimes               bool
}

func newCmdTrainSweep(a *app) *cobra.Command {
	o := &sweepOptions{app: a}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "residuals of several variants and seeds, one after the other, and a table that compares them",
		Long: `Trains every variant with every seed, plays what came out under every condition on the same episodes, and
prints rates with 95 % Wilson intervals over all seeds and each variant's paired difference to the reference (same
training seed, same episode). Run again it goes on where it stopped: what is finished is skipped, trainings that were
interrupted resume, and conditions or episodes that were not asked for before are played.

With --queue the cells are done by workers (korr worker), on this machine or others, and the table is the same.

A variant is a name (` + strings.Join(sweep.Names(), ", ") + `) or is defined by --define 'NAME key=value key=value'.`,
		Example: `  korr train sweep --preset one_leg --data runs/demos --variants resip,korr,published \
      --seeds 1-5 --set residual.steps=300000
  korr train sweep --preset one_leg --data runs/demos --variants resip,big \
      --define 'big residual.method=resip residual.critics=5'
  korr train sweep --data runs/demos --seeds 1-8 --queue runs/queue`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSweep(cmd.Context(), o) },
	}
	a.dataFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.out, "out", "runs/sweep", "`folder` of the run folders and of table.txt")
	f.StringSliceVar(&o.variants, "variants", []string{"resip", "korr"}, "names of the variants")
	f.StringArrayVar(&o.define, "define", nil, "a variant: `NAME key=value ...`; may be repeated")
	f.StringVar(&o.seeds, "seeds", "1-3", "training seeds: `FROM-TO` or a list")
	f.StringVar(&o.reference, "reference", "resip", "variant to compare with")
	f.Int("steps", 300_000, "environment steps of each training")
	cli.SetKey(f, "steps", "residual.steps")
	f.Int("episodes", 20, "episodes of each condition, for each training")
	cli.SetKey(f, "episodes", "eval.episodes")
	f.StringSlice("randomness", []string{"low"}, "initial randomness of the evaluation: low, med, high, or several")
	cli.SetKey(f, "randomness", "eval.randomness")
	f.Float64SliceVar(&o.perturb, "perturb", []float64{0, 1}, "strengths of the pushes in the evaluation; 0 = none, 1 = "+
		"as published")
	f.Uint64Var(&o.evalSeed, "eval-seed", 1, "seed of the evaluation's episodes")
	f.BoolVar(&o.noTimes, "no-times", false, "leave the wall times out of the table: equal sweeps then print equal bytes")
	queueFlag(f, &o.queue)
	return cmd
}

func runSweep(ctx context.Context, o *sweepOptions) error {
	variants, err := sweep.Resolve(o.variants, o.define)
	if err != nil {
		return err
	}
	seeds, err := sweep.ParseSeeds(o.seeds)
	if err != nil {
		return err
	}
	executor, closeIt, err := o.Executor(ctx, o.queue, unit.Handlers{sweep.Kind: sweep.Handler(o.Trial)})
	if err != nil {
		return err
	}
	defer closeIt()
	c := sweep.Config{
		Dir: o.out, Variants: variants, Seeds: seeds, Reference: o.reference, Episodes: o.Config.Eval.Episodes,
		EvalSeed: o.evalSeed,
		Timeless: o.noTimes, Executor: executor,
		Prepare: func(v sweep.Variant, seed uint64) (sweep.Training, error) {
			return o.PrepareTrial(v, seed, o.queue != "")
		},
		Finished: func(c *sweep.Cell, done, of int) {
			o.Log.Info("finished", "variant", c.Variant, "seed", c.Seed, "cells", fmt.Sprintf("%d/%d", done, of))
		},
	}
	for _, level := range o.Config.Eval.Randomness {
		for _, strength := range o.perturb {
			c.Conditions = append(c.Conditions, eval.Condition{Task: o.Config.Sim.Task, Randomness: level, Perturb: strength})
		}
	}
	r, err := sweep.Run(ctx, c)
	if r == nil || err != nil && len(r.Cells) == 0 {
		return err
	}
	if interrupted(ctx) {
		o.Log.Warn("interrupted: what is finished is kept, and the same command goes on", "finished", len(r.Cells), "cells",
			len(seeds)*len(variants))
	}
	return errors.Join(err, o.Print(r))
}
