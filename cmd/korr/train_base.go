package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/configs"
	"korr/train/imitation"
)

func newCmdTrainBase(a *app) *cobra.Command {
	o := &trainOptions{app: a}
	cmd := &cobra.Command{
		Use:   "base",
		Short: "chunked behaviour cloning of the demonstrations",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runTrainBase(cmd.Context(), o) },
	}
	o.addFlags(cmd, "runs/base")
	cmd.Flags().Int("steps", 4000, "optimiser steps")
	setKey(cmd.Flags(), "steps", "base.steps")
	return cmd
}

func runTrainBase(ctx context.Context, o *trainOptions) (err error) {
	data, err := o.demonstrations()
	if err != nil {
		return err
	}
	folder, metrics, err := o.folder()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	b := o.cfg.Base
	p := o.progress("train base", "steps", b.Steps)
	var last imitation.Report
	var recordErr error
	c := imitationConfig(o.cfg, o.workers())
	c.Progress = func(r imitation.Report) {
		last = r
		p.set(r.Step, b.Steps, fmt.Sprintf("loss %.4f", r.Loss))
		values := map[string]float64{"loss": r.Loss, "lr": r.LR}
		if b.ValFraction > 0 {
			values["val_loss"] = r.ValLoss
		}
		recordErr = errors.Join(recordErr, metrics.Record(r.Step, values))
	}
	m, err := imitation.TrainBase(ctx, data, c)
	if err = errors.Join(err, recordErr); err != nil {
		return err
	}
	path := folder.Checkpoint("base")
	if err := m.Save(path); err != nil {
		return err
	}
	took := p.finish(fmt.Sprintf("%d steps, loss %.4f", last.Step, last.Loss))
	r := trainResult{trainSchema, "base", folder.Dir(), path, last.Step, last.Loss, took.Seconds()}
	if o.json {
		return o.printJSON(r)
	}
	return o.printf("%s\n", path)
}

// imitationConfig is the trainer's form of the settings.
func imitationConfig(c *configs.Config, workers int) imitation.Config {
	b := c.Base
	return imitation.Config{
		Steps: b.Steps, Batch: b.Batch, LR: b.LR, WeightDecay: b.WeightDecay, Horizon: b.Horizon, Hidden: b.Hidden,
		ValFraction: b.ValFraction, Quaternions: b.Quaternions, Seed: c.Seed, Shards: min(workers, b.Batch), ReportEvery: 100,
	}
}
