package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"korr/basepolicy"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/internal/tensorfile"
	"korr/train/dataset"
	"korr/train/imitation"
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
		Long: `Trains a base policy that plans chunks of actions. --arch mlp-bc maps the observation to the chunk at once; the others learn to
undo noise on chunks: diffusion-unet is the published network, diffusion-mlp and diffusion-transformer are others under the same
noise. --preset diffusion has the settings of a training of half an hour on two cores. --arch carp trains a tokeniser of chunks, then a
transformer that predicts its words coarse to fine; --preset carp has the published sizes.

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
	f.String("sampler", "", "how a diffusion policy draws chunks: ddim, ddpm or dpm++[:steps=N,eta=X,warm=none|consistent|published,warm_step=K]")
	for _, name := range []string{"arch", "steps", "prediction", "sampler"} {
		cli.SetKey(f, name, "base."+name)
	}
	f.BoolVar(&o.resume, "resume", false, "go on with the diffusion run in --out")
	return cmd
}

func runTrainBase(ctx context.Context, o *trainBaseOptions) (err error) {
	var folder *run.Folder
	after := 0
	if o.resume {
		if folder, after, err = o.reopenState(); err != nil {
			return err
		}
	}
	if _, err := o.baseConfig(); err != nil {
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
	metrics, err := folder.Recorder(after)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, metrics.Close()) }()
	return o.train(ctx, data, folder, metrics)
}

// reopenState reopens the run folder of a diffusion policy. It also tells the step of the saved state.
func (o *trainBaseOptions) reopenState() (*run.Folder, int, error) {
	f, err := o.reopen()
	if err != nil {
		return nil, 0, err
	}
	if c := &o.Config.Base.Training; !c.Diffusion() {
		return nil, 0, cli.UsageErrorf("--resume: a run of %s keeps no state: start it again", c.Arch)
	}
	step := 0
	if state, err := tensorfile.Read(f.Checkpoint(imitation.StateName)); err == nil {
		_, _ = fmt.Sscan(state.Meta["step"], &step) // a damaged state is refused by the trainer
	}
	return f, step, nil
}

// train trains the policy, or goes on with it, and saves it.
func (o *trainBaseOptions) train(ctx context.Context, data *dataset.Dataset, folder *run.Folder, metrics *run.Recorder) error {
	c, err := o.baseConfig()
	if err != nil {
		return cli.Usage(err)
	}
	steps := c.Steps
	if c.Arch == imitation.ArchCARP { // the tokeniser's, then the transformer's
		steps *= 2
	}
	p := o.progress("train base", "steps", steps)
	var last *imitation.Report
	var recordErr error
	c.Run, c.Resume = folder, o.resume
	c.Progress = func(r imitation.Report) {
		last = &r
		note := fmt.Sprintf("loss %.4f", r.Loss)
		values := map[string]float64{"loss": r.Loss, "lr": r.LR}
		if c.ValFraction > 0 && c.Arch != imitation.ArchCARP {
			values["val_loss"] = r.ValLoss
			note += fmt.Sprintf(", held out %.4f", r.ValLoss)
		}
		if c.ValFraction > 0 && c.Diffusion() {
			values["val_l1"] = r.ValL1
			note += fmt.Sprintf(", drawn chunks %.4f off", r.ValL1)
		}
		if c.Arch == imitation.ArchCARP {
			values["token_rmse_mm"] = 1e3 * r.TokenRMSE
			note += fmt.Sprintf(", tokens %.2f mm off", 1e3*r.TokenRMSE)
			if c.ValFraction > 0 {
				values["val_l1"] = r.ValL1
			}
		}
		p.set(r.Step, steps, note)
		recordErr = errors.Join(recordErr, metrics.Record(r.Step, values))
	}
	policy, err := imitation.Train(ctx, data, c)
	if c.Diffusion() {
		o.tellInterrupted(ctx, "base")
	}
	if err = errors.Join(err, recordErr); err != nil {
		return err
	}
	if policy, err = o.Config.Base.Acting.Apply(policy); err != nil {
		return cli.Usage(err)
	}
	path := folder.Checkpoint("base")
	if err := basepolicy.Save(path, policy); err != nil {
		return err
	}
	r := trainResult{Schema: trainSchema, Kind: "base", Folder: folder.Dir(), Checkpoint: path, Steps: c.Steps}
	done := fmt.Sprintf("%d steps", c.Steps)
	if last != nil {
		r.Loss = &last.Loss
		done += fmt.Sprintf(", loss %.4f", last.Loss)
	}
	r.Seconds = p.finish(done).Seconds()
	return o.result(r)
}

// baseConfig is the settings with what the trainer is given beside them.
func (o *trainBaseOptions) baseConfig() (c imitation.Config, err error) {
	c = o.Config.Base.Training
	c.Seed, c.Shards = o.Config.Seed, min(o.workers(), c.Batch)
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
