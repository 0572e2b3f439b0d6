package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/configs"
	"korr/residual"
	"korr/train/dataset"
	"korr/train/imitation"
	"korr/train/run"
)

// diffusionPrefix begins the names of the base policies that denoise.
const diffusionPrefix = "diffusion-"

// runTrainDiffusion trains a diffusion policy, or goes on with one.
func runTrainDiffusion(ctx context.Context, o *trainBaseOptions, data *dataset.Dataset, folder *run.Folder, metrics *run.Recorder) error {
	c, err := diffusionConfig(o.Config, o.workers())
	if err != nil {
		return cli.Usage(err)
	}
	p := o.progress("train base", "steps", c.Steps)
	var last imitation.Report
	var recordErr error
	c.Run, c.Resume = folder, o.resume
	c.Progress = func(r imitation.Report) {
		last = r
		note := fmt.Sprintf("loss %.4f", r.Loss)
		values := map[string]float64{"loss": r.Loss, "lr": r.LR}
		if c.ValFraction > 0 {
			values["val_loss"], values["val_l1"] = r.ValLoss, r.ValL1
			note += fmt.Sprintf(", held out %.4f, drawn chunks %.4f off", r.ValLoss, r.ValL1)
		}
		p.set(r.Step, c.Steps, note)
		recordErr = errors.Join(recordErr, metrics.Record(r.Step, values))
	}
	policy, err := imitation.TrainDiffusion(ctx, data, c)
	if ctx.Err() != nil {
		o.Log.Warn("interrupted: the state is saved", "resume", "korr train base --resume --out "+o.runDir)
	}
	if err = errors.Join(err, recordErr); err != nil {
		return err
	}
	path := folder.Checkpoint("base")
	if err := basepolicy.Save(path, policy); err != nil {
		return err
	}
	took := p.finish(fmt.Sprintf("%d steps, loss %.4f", c.Steps, last.Loss))
	r := trainResult{trainSchema, "base", folder.Dir(), path, c.Steps, last.Loss, took.Seconds()}
	if o.JSON {
		return o.PrintJSON(r)
	}
	return o.Printf("%s\n", path)
}

// diffusionConfig is the trainer's form of the settings.
func diffusionConfig(c *configs.Config, workers int) (imitation.DiffusionConfig, error) {
	b := c.Base
	net := diffusion.Config{Arch: strings.TrimPrefix(b.Arch, diffusionPrefix), Horizon: b.Horizon, StepDim: b.StepEmbedDim}
	switch net.Arch {
	case diffusion.ArchUNet:
		net.DownDims, net.Kernel, net.Groups = b.DownDims, b.Kernel, b.Groups
	case diffusion.ArchTransformer:
		net.Width, net.Blocks, net.Heads = b.Width, b.Blocks, b.Heads
	default:
		net.Width, net.Blocks = b.Width, b.Blocks
	}
	sampler := diffusion.DefaultSampler()
	sampler.Steps, sampler.WarmStep = min(sampler.Steps, b.DiffusionSteps), b.DiffusionSteps/2
	if b.Sampler != "" {
		var err error
		if sampler, err = diffusion.ParseSampler(b.Sampler, sampler); err != nil {
			return imitation.DiffusionConfig{}, err
		}
	}
	out := imitation.DiffusionConfig{
		Steps: b.Steps, Batch: b.Batch, LR: b.LR, WarmUp: b.WarmUp, WeightDecay: b.WeightDecay, GradClip: b.GradClip,
		EMAPower: b.EMAPower, EMAMax: b.EMAMax, Network: net, Sampler: sampler,
		Process:     diffusion.Process{Steps: b.DiffusionSteps, Schedule: b.Schedule, Prediction: b.Prediction, Clip: b.ClipSample},
		ValFraction: b.ValFraction, Observed: observed(b), Seed: c.Seed, Shards: min(workers, b.Batch),
		ReportEvery: 500, CheckpointEvery: b.CheckpointEvery,
	}
	return out, out.Validate()
}

// setDrawing puts sampler, cache and ensembling of the settings, where there are any, in place of the policy's own.
func setDrawing(p *residual.Policy, b configs.Base) error {
	if err := setDiffusion(p.Base, b); err != nil {
		return err
	}
	if b.Ensemble >= 0 {
		p.Base = basepolicy.Ensembled{Policy: p.Base, Rate: b.Ensemble}
	}
	return nil
}

func setDiffusion(base basepolicy.Policy, b configs.Base) error {
	c, err := cache.Parse(b.Cache)
	if err != nil {
		return err
	}
	d, ok := base.(*diffusion.Policy)
	if !ok {
		if c.On() {
			return fmt.Errorf("base.cache is %s, but this base policy makes one network call a chunk: leave it out", c)
		}
		return nil
	}
	if b.Sampler != "" {
		if d.Sampler, err = diffusion.ParseSampler(b.Sampler, d.Sampler); err != nil {
			return err
		}
	}
	if b.Cache != "" {
		d.Cache = c
	}
	return d.Validate()
}
