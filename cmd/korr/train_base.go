package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/train/imitation"
	"korr/train/pipeline"
	"korr/train/run"
)

// trainBaseOptions are the verb's flags that are no settings.
type trainBaseOptions struct {
	trainOptions
	resume bool
}

func newCmdTrainBase(a *app) *cobra.Command {
	o := &trainBaseOptions{trainOptions: trainOptions{app: a}}
	cmd := &cobra.Command{
		Use:   "base",
		Short: "imitation of the demonstrations: chunked behaviour cloning, a diffusion policy or CARP",
		Long: `Trains a base policy that plans chunks of actions. --arch mlp-bc maps the observation to the chunk at once; the
others learn to undo noise on chunks: diffusion-unet is the published network, diffusion-mlp and diffusion-transformer
are others under the same noise. --preset diffusion has the settings of a training of half an hour on two cores. --arch
carp trains a tokeniser of chunks, then a transformer that predicts its words coarse to fine; --preset carp has the
published sizes.

An interrupted diffusion run saves its state; --resume goes on from there, with the settings of the run folder.`,
		Example: `  korr train base --data runs/demos
  korr train base --preset diffusion --data runs/demos --out runs/diffusion
  korr train base --resume --out runs/diffusion`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainBase(cmd.Context(), o) },
	}
	o.addFlags(cmd, "runs/base")
	f := cmd.Flags()
	f.String("arch", "mlp-bc", strings.Join(imitation.Archs(), ", "))
	f.Int("steps", 4000, "optimiser steps")
	f.String("prediction", "epsilon", "what a diffusion network outputs: epsilon, sample or v")
	f.String("sampler", "", "how a diffusion policy draws chunks: ddim, ddpm or "+
		"dpm++[:steps=N,eta=X,warm=none|consistent|published,warm_step=K]")
	for _, name := range []string{"arch", "steps", "prediction", "sampler"} {
		cli.SetKey(f, name, "base."+name)
	}
	f.BoolVar(&o.resume, "resume", false, "go on with the diffusion run in --out")
	return cmd
}

func runTrainBase(ctx context.Context, o *trainBaseOptions) (err error) {
	var folder *run.Folder
	if o.resume {
		if folder, err = o.reopenState(); err != nil {
			return err
		}
	}
	c, err := o.baseConfig()
	if err != nil {
		return cli.Usage(err)
	}
	data, err := o.demonstrations()
	if err != nil {
		return err
	}
	if !o.resume {
		if folder, err = o.create(); err != nil {
			return err
		}
	}
	defer o.discardEmpty(ctx, folder, &err)
	p := o.progress("train base", "steps", c.Steps)
	t, err := pipeline.Base(ctx, data, c, o.Config.Base.Acting, folder, p.set)
	if c.Diffusion() {
		o.tellInterrupted(ctx, "base")
	}
	if err != nil {
		return err
	}
	return o.result(o.trained(pipeline.BaseName, folder, t, p))
}

// reopenState reopens the run folder of a diffusion policy.
func (o *trainBaseOptions) reopenState() (*run.Folder, error) {
	f, err := o.reopen()
	if err != nil {
		return nil, err
	}
	if c := &o.Config.Base.Training; !c.Diffusion() {
		return nil, cli.UsageErrorf("--resume: a run of %s keeps no state: start it again", c.Arch)
	}
	return f, nil
}

// baseConfig is the settings with what the trainer is given beside them.
func (o *trainBaseOptions) baseConfig() (c imitation.Config, err error) {
	c = o.Config.Base.Training
	c.Seed, c.Shards, c.Resume = o.Config.Seed, min(o.workers(), c.Batch), o.resume
	if c.Diffusion() || c.Arch == imitation.ArchCARP {
		c.ReportEvery = 500
	}
	if text := o.Config.Base.Acting.Sampler; text != "" {
		if c.Sampler, err = diffusion.ParseSampler(text, c.Sampler); err != nil {
			return c, err
		}
	}
	return c, c.Validate()
}
