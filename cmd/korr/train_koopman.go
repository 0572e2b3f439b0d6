package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/train/koopmanfit"
)

// trainKoopmanOptions are the verb's flags.
type trainKoopmanOptions struct {
	trainOptions
	plot string
}

func newCmdTrainKoopman(a *app) *cobra.Command {
	o := &trainKoopmanOptions{trainOptions: trainOptions{app: a}}
	cmd := &cobra.Command{
		Use:   "koopman",
		Short: "a lifted linear model of the demonstrations, and how far ahead it predicts",
		Long: `Fits z' = A z + B u on lifted observations, or z' = (A + g N) z + B u with the gripper's command g
(koopman.bilinear): a least-squares start, then multi-step training with the spectral radius bounded. With
koopman.rollouts it first plays the base policy with exploration noise and learns from that too. Prints the n-step error
on held-out demonstrations and the time of a forecast beside persistence, DMDc and a nonlinear network.`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTrainKoopman(cmd.Context(), o) },
	}
	o.addFlags(cmd, "runs/koopman")
	f := cmd.Flags()
	f.String("base", "base", "base policy whose normalisers to use: a checkpoint or shipped weights")
	cli.SetKey(f, "base", "residual.base")
	f.StringVar(&o.plot, "plot", "", "draw the prediction errors into this .png or .svg `file`")
	f.Int("steps", 6000, "optimiser steps")
	cli.SetKey(f, "steps", "koopman.steps")
	return cmd
}

func runTrainKoopman(ctx context.Context, o *trainKoopmanOptions) error {
	if err := errors.Join(cli.CheckOutput("--plot", o.plot, ".png", ".svg"), cli.CheckFolder("--out",
		o.to.Dir)); err != nil {
		return err
	}
	t, err := o.TrainKoopman(ctx, o.to)
	if err != nil {
		return err
	}
	if o.plot != "" && len(t.Scores) > 0 {
		figure, err := koopmanfit.Figure(koopmanfit.OnDemonstrations.Of(t.Scores))
		if err != nil {
			return err
		}
		if err := figure.Save(o.plot); err != nil {
			return err
		}
	}
	return o.Print(t)
}
