package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/imitation"
)

func newCmdTrainBase(a *app) *cobra.Command {
	o := &trainOptions{app: a}
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
	f.BoolVar(&o.to.Resume, "resume", false, "go on with the diffusion run in --out")
	return cmd
}

func runTrainBase(ctx context.Context, o *trainOptions) error {
	t, err := o.TrainBase(ctx, o.to)
	if err != nil {
		return err
	}
	return o.Print(t)
}
