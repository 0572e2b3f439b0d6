package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/internal/demo"
	"korr/residual/loop"
	"korr/train/dataset"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// demoOptions are the verb's flags that are no settings.
type demoOptions struct {
	*app
	quick bool
	dir   string
}

// realTimeLimit bounds the episode that keeps the wall clock.
const realTimeLimit = 45 * time.Second

func newCmdDemo(a *app) *cobra.Command {
	o := &demoOptions{app: a}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "the whole story in a few minutes: demonstrations, Koopman model, base vs ResiP vs KORR over ROS",
		Long: `Collects demonstrations from the scripted expert, trains a Koopman model on them and measures how far ahead it
predicts; then plays the base policy, ResiP and KORR with the shipped weights on the same seeded episodes, without and
with perturbation, through the control loop over ROS (an embedded master, loopback, lock step), and one episode in real
time. Writes a report with pictures, and keeps the demonstrations (demos) and the model (koopman.safetensors) beside it,
to train with.

Interrupted, it prints what it has; the same command goes on where it stopped.`,
		Example: `  korr demo
  korr demo --quick --out quick-demo
  korr demo --set eval.randomness=[low,med] --seed 3`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.quick, cli.QuickPreset, false, "under a minute: fewer episodes, no real-time episode (the "+
		"preset quick)")
	cmd.Flags().StringVar(&o.dir, "out", "korr-demo", "`folder` for the report, the demonstrations and the model")
	return cmd
}

// demonstration is one under way.
type demonstration struct {
	*demoOptions
	report   demo.Report
	policies []eval.Policy
}

func runDemo(ctx context.Context, o *demoOptions) error {
	if err := cli.CheckFolder("--out", o.dir); err != nil {
		return err
	}
	start := time.Now()
	d := &demonstration{demoOptions: o, report: demo.Report{
		Result: demo.Result{Schema: eval.Schema, Report: filepath.Join(o.dir, "report.html"), Notes: []string{}},
		Task:   o.Config.Sim.Task, Seed: o.Config.Seed, Model: o.Config.Koopman.Model, Command: o.Repeat("eval --ros"),
	}}
	var err error
	if d.policies, err = o.app.policies(o.Config.Eval.Policies); err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	steps := []func(context.Context) error{d.learn, d.compare, d.keepTime, d.draw}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				o.Log.Warn("the demo is not complete; what is done is kept, and the same command goes on", "folder", o.dir)
			}
			return err
		}
	}
	d.report.Seconds = time.Since(start).Seconds()
	if err := d.report.Save(o.dir); err != nil {
		return err
	}
	if o.JSON {
		return o.PrintJSON(d.report.Result)
	}
	return d.report.WriteText(o.Out)
}

// learn collects demonstrations and fits the Koopman model to them.
func (d *demonstration) learn(ctx context.Context) error {
	data, err := d.demonstrations(ctx)
	if err != nil {
		return err
	}
	d.report.Episodes, d.report.Frames = len(data.Episodes), data.Frames()
	k, err := d.koopmanData(data)
	if err != nil {
		return err
	}
	p := d.progress("koopman", "steps", d.Config.Koopman.Training.Steps)
	m, scores, err := koopmanfit.Fit(ctx, k, &d.Config.Koopman, d.Config.Seed, func(step int, loss float64) {
		p.set(step+1, d.Config.Koopman.Training.Steps, fmt.Sprintf("loss %.4f", loss))
	})
	if err != nil {
		return err
	}
	d.report.Prediction, d.report.Radius = koopmanfit.OnDemonstrations.Of(scores), m.SpectralRadius()
	p.finish(fmt.Sprintf("%d steps, spectral radius %.4f", d.Config.Koopman.Training.Steps, d.report.Radius))
	return m.Save(filepath.Join(d.dir, "koopman.safetensors"))
}

// demonstrations collects the expert's episodes into the folder demos, or goes on with those of a demo that was
// interrupted.
func (d *demonstration) demonstrations(ctx context.Context) (*dataset.Dataset, error) {
	dir := filepath.Join(d.dir, "demos")
	_, err := os.Stat(dir)
	begun := err == nil
	if _, err = d.collect(ctx, dir, begun, nil); begun && cli.ExitCode(err) == cli.ExitUsage {
		err = cli.UsageErrorf("%s is of another demo: choose another --out: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	return dataset.Read(dir)
}

// compare plays every policy on the same seeds, over ROS in lock step.
func (d *demonstration) compare(ctx context.Context) error {
	journal, err := d.journal("over ROS", d.Config.Eval.Policies)
	if err != nil {
		return err
	}
	before := journal.Len()
	if before > 0 {
		d.Log.Info("going on with the evaluation of a demo that was interrupted", "episodes", before)
	}
	p := d.progress("evaluate over ROS", "episodes", 1)
	spec := eval.Spec{
		Conditions: d.conditions(), Policies: d.policies, Episodes: d.Config.Eval.Episodes, Seed: d.Config.Seed,
		Workers: d.workers(), Open: d.lanes, Progress: p.setOf, Journal: journal,
	}
	if d.report.Cells, err = eval.Evaluate(ctx, spec); err != nil {
		cells := journal.Cells(spec.Conditions, labels(spec.Policies), spec.Seed, spec.Episodes)
		if len(cells) > 0 {
			err = errors.Join(err, eval.SuccessTable(eval.NewReport(cells).Results).WriteText(d.Out))
		}
		return errors.Join(err, journal.Close(false))
	}
	if err := journal.Close(true); err != nil {
		return err
	}
	d.report.Results = eval.NewReport(d.report.Cells).Results
	d.report.Comparisons = eval.Compare(d.report.Cells, eval.Reference)
	for i := range d.report.Cells {
		for _, e := range d.report.Cells[i].Episodes {
			d.report.LockStep.Steps += e.Steps
		}
		if err := d.report.Cells[i].Faults(); err != nil {
			d.note("episodes of %s ended by a fault and count as failures: %v", d.report.Cells[i].Policy, err)
		}
	}
	took := p.finish(fmt.Sprintf("%d episodes, %d control steps", len(d.report.Cells)*d.Config.Eval.Episodes,
		d.report.LockStep.Steps))
	if before == 0 { // else part of it was played in another time
		rate := float64(d.report.LockStep.Steps) / took.Seconds()
		d.report.LockStep.StepsPerSecond = &rate
	}
	return nil
}

// keepTime runs one episode of the last policy on the wall clock and measures the loop's jitter.
func (d *demonstration) keepTime(ctx context.Context) (err error) {
	if d.quick {
		return nil
	}
	chosen := d.policies[len(d.policies)-1]
	policy, err := chosen.New()
	if err != nil {
		return err
	}
	p := d.progress("real time at 10 Hz", "seconds", int(realTimeLimit.Seconds()))
	l, err := d.openLane(ctx, d.conditions()[0], false, func(*loop.Record) {
		p.set(int(time.Since(p.start).Seconds()), int(realTimeLimit.Seconds()), "")
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	limited, cancel := context.WithTimeoutCause(ctx, realTimeLimit, errTimeUp)
	defer cancel()
	ep, err := l.Play(limited, policy, eval.EpisodeSeed(d.Config.Seed, 0))
	outcome := "not assembled"
	switch {
	case errors.Is(err, errTimeUp):
		outcome = fmt.Sprintf("stopped after %v", realTimeLimit)
	case err != nil:
		return err
	case ep.Fault != nil:
		outcome = ep.Fault.Error()
	case ep.Success:
		outcome = "assembled"
	}
	d.report.RealTime = &demo.RealTime{
		Policy: chosen.Name, Outcome: outcome, Steps: l.Tally().Ticks,
		TallyResult: l.Tally(),
	}
	p.finish(fmt.Sprintf("%s, %s, jitter p50/p99/max %v", chosen.Name, outcome, *d.report.RealTime.Jitter))
	return nil
}

// errTimeUp ends the real-time episode.
var errTimeUp = errors.New("time is up")

// note keeps something that the reader of the results must know.
func (d *demonstration) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.Log.Warn(text)
	d.report.Notes = append(d.report.Notes, text)
}
