package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/koopman"
	"korr/train/dataset"
	"korr/train/koopmanfit"
	"korr/train/pipeline"
)

// trainKoopmanOptions are the verb's flags.
type trainKoopmanOptions struct {
	trainOptions
	plot string
}

// trainKoopmanResult is what the verb prints.
type trainKoopmanResult struct {
	trainResult
	SpectralRadius float64         `json:"spectral_radius"`
	Scores         []koopman.Score `json:"scores"` // on the held-out episodes; empty without any
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
	cli.SetKey(f, "base", "koopman.base")
	f.StringVar(&o.plot, "plot", "", "draw the prediction errors into this .png or .svg `file`")
	f.Int("steps", 6000, "optimiser steps")
	cli.SetKey(f, "steps", "koopman.steps")
	return cmd
}

func runTrainKoopman(ctx context.Context, o *trainKoopmanOptions) (err error) {
	if err := errors.Join(cli.CheckOutput("--plot", o.plot, ".png", ".svg"), cli.CheckFolder("--out",
		o.runDir)); err != nil {
		return err
	}
	data, err := o.demonstrations()
	if err != nil {
		return err
	}
	k, err := o.koopmanData(data)
	if err != nil {
		return err
	}
	if err := o.addRollouts(ctx, k, data.Episodes); err != nil {
		return err
	}
	folder, err := o.create()
	if err != nil {
		return err
	}
	defer o.discardEmpty(ctx, folder, &err)
	c := o.Config.Koopman
	p := o.progress("train koopman", "steps", c.Training.Steps)
	t, err := pipeline.Koopman(ctx, k, c, o.Config.Seed, folder, p.set)
	if err != nil {
		return err
	}
	return o.printKoopman(trainKoopmanResult{
		trainResult: o.trained(pipeline.KoopmanName, folder, t.Trained, p), SpectralRadius: t.SpectralRadius,
		Scores: t.Scores,
	})
}

// koopmanData encodes demonstrations with the base policy of koopman.base.
func (a *app) koopmanData(d *dataset.Dataset) (*koopmanfit.Data, error) {
	base, err := a.loadPolicy(a.Config.Koopman.Base)
	if err != nil {
		return nil, err
	}
	return koopmanfit.NewData(d, base, a.Config.Residual.Features, &a.Config.Koopman, a.Config.Seed)
}

// addRollouts plays koopman.rollouts episodes of the base policy and adds them to the data.
func (o *trainKoopmanOptions) addRollouts(ctx context.Context, k *koopmanfit.Data, demos []dataset.Episode) error {
	c := &o.Config.Koopman
	if c.Rollouts == 0 {
		return nil
	}
	p, err := o.loadPolicy(c.Base)
	if err != nil {
		return err
	}
	w, err := o.world()
	if err != nil {
		return err
	}
	rolls, err := w.Rollouts(p, c, &o.Config.Residual.Config, o.Config.Seed, demos)
	if err != nil {
		return err
	}
	bar := o.progress("play the base policy", "episodes", c.Rollouts)
	rolls.Progress = bar.setOf
	if err := k.AddRollouts(ctx, rolls); err != nil {
		return err
	}
	bar.finish(fmt.Sprintf("%d episodes", c.Rollouts))
	return nil
}

func (o *trainKoopmanOptions) printKoopman(r trainKoopmanResult) error {
	if o.plot != "" && len(r.Scores) > 0 {
		figure, err := koopmanfit.Figure(koopmanfit.OnDemonstrations.Of(r.Scores))
		if err != nil {
			return err
		}
		if err := figure.Save(o.plot); err != nil {
			return err
		}
	}
	if o.JSON {
		return o.PrintJSON(r)
	}
	for _, on := range koopmanfit.Scorings {
		scores := on.Of(r.Scores)
		if len(scores) == 0 {
			continue
		}
		if err := o.Printf("\n%s\n\n", on.Caption); err != nil {
			return err
		}
		if err := koopmanfit.Table(scores).WriteText(o.Out); err != nil {
			return err
		}
	}
	return o.Printf("\nspectral radius %.6f\n%s\n", r.SpectralRadius, r.Checkpoint)
}
