package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/koopman"
	"korr/sim"
	"korr/train/dataset"
	"korr/train/koopmanfit"
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
		Long: `Fits z' = A z + B u on lifted observations, or z' = (A + g N) z + B u with the gripper's command g (koopman.bilinear): a
least-squares start, then multi-step training with the spectral radius bounded. With koopman.rollouts it first plays the base policy with exploration noise and learns from that too. Prints the n-step error on held-out demonstrations and the time of a forecast beside persistence, DMDc and a nonlinear
network.`,
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
	if err := errors.Join(cli.CheckOutput("--plot", o.plot, ".png", ".svg"), cli.CheckFolder("--out", o.runDir)); err != nil {
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
	if err := o.addRollouts(ctx, k); err != nil {
		return err
	}
	folder, metrics, err := o.folder()
	if err != nil {
		return err
	}
	defer o.discardEmpty(ctx, folder, &err)
	defer func() { err = errors.Join(err, metrics.Close()) }()
	c := o.Config.Koopman
	p := o.progress("train koopman", "steps", c.Training.Steps)
	const every = 25
	var mean float64
	var loss *float64
	var recordErr error
	m, scores, err := koopmanfit.Fit(ctx, k, &c, o.Config.Seed, func(step int, l float64) {
		mean += l / every
		if (step+1)%every == 0 {
			newest := mean
			loss, mean = &newest, 0
			recordErr = errors.Join(recordErr, metrics.Record(step+1, map[string]float64{"loss": newest}))
			p.set(step+1, c.Training.Steps, fmt.Sprintf("loss %.5f", newest))
		}
	})
	if err = errors.Join(err, recordErr); err != nil {
		return err
	}
	path := folder.Checkpoint("koopman")
	if err := m.Save(path); err != nil {
		return err
	}
	done := fmt.Sprintf("%d steps", c.Training.Steps)
	if loss != nil {
		done += fmt.Sprintf(", loss %.5f", *loss)
	}
	took := p.finish(done)
	r := trainKoopmanResult{
		trainResult:    trainResult{trainSchema, "koopman", folder.Dir(), path, c.Training.Steps, loss, took.Seconds()},
		SpectralRadius: m.SpectralRadius(), Scores: scores,
	}
	text, err := json.MarshalIndent(r.Scores, "", "  ")
	if err != nil {
		return err
	}
	if err := folder.WriteFile("prediction.json", append(text, '\n')); err != nil {
		return err
	}
	return o.printKoopman(r)
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
func (o *trainKoopmanOptions) addRollouts(ctx context.Context, k *koopmanfit.Data) error {
	c, r := o.Config.Koopman, o.Config.Residual
	if c.Rollouts == 0 {
		return nil
	}
	p, err := o.loadPolicy(c.Base)
	if err != nil {
		return err
	}
	bar := o.progress("play the base policy", "episodes", c.Rollouts)
	err = k.AddRollouts(ctx, koopmanfit.Rollouts{
		Policy: p, Features: r.Features, Open: func() (sim.Env, error) { return o.newEnv(o.condition()) }, Workers: o.workers(),
		Episodes: c.Rollouts, HeldOut: c.HeldOut, Seed: o.Config.Seed,
		Sigma: r.Alpha * r.WarmUpNoise, Rho: r.NoiseRho, FailAfter: r.FailAfter, MaxSteps: r.MaxSteps,
		Progress: bar.setOf,
	})
	if err == nil {
		bar.finish(fmt.Sprintf("%d episodes", c.Rollouts))
	}
	return err
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
