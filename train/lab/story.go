package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"time"

	"korr/internal/demo"
	"korr/internal/report"
	"korr/internal/usage"
	"korr/residual/loop"
	"korr/sim/mujoco/render"
	"korr/train/dataset"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// Story is the whole in a few minutes: demonstrations, a Koopman model, and policies that play over ROS.
type Story struct {
	*Lab
	Dir     string    // of the report, the demonstrations and the model
	Quick   bool      // no real-time episode, fewer pictures
	Command string    // that plays the same evaluation, for the report
	Partial io.Writer // gets the results of an evaluation that was interrupted

	report   demo.Report
	policies []eval.Policy
}

// realTimeLimit bounds the episode that keeps the wall clock.
const realTimeLimit = 45 * time.Second

// Tell makes it all and saves the report. What was interrupted goes on when it is told again.
func (d *Story) Tell(ctx context.Context) (*demo.Report, error) {
	start := time.Now()
	d.report = demo.Report{
		Result: demo.Result{Schema: eval.Schema, Report: filepath.Join(d.Dir, "report.html"), Notes: []string{}},
		Task:   d.Config.Sim.Task, Seed: d.Config.Seed, Model: d.Config.Koopman.Model, Command: d.Command,
	}
	e, err := d.NewEvaluation(How{ROS: true})
	if err != nil {
		return nil, err
	}
	d.policies = e.Policies
	if err := os.MkdirAll(d.Dir, 0o755); err != nil {
		return nil, err
	}
	compare := func(ctx context.Context) error { return d.compare(ctx, e) }
	for _, step := range []func(context.Context) error{d.learn, compare, d.keepTime, d.draw} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				d.Logger.Warn("the demo is not complete; what is done is kept, and the same command goes on", "folder", d.Dir)
			}
			return nil, err
		}
	}
	d.report.Seconds = time.Since(start).Seconds()
	return &d.report, d.report.Save(d.Dir)
}

// learn collects demonstrations and fits the Koopman model to them.
func (d *Story) learn(ctx context.Context) error {
	data, err := d.demonstrations(ctx)
	if err != nil {
		return err
	}
	d.report.Episodes, d.report.Frames = len(data.Episodes), data.Frames()
	k, err := d.koopmanData(data)
	if err != nil {
		return err
	}
	p := d.begin("koopman", "steps", d.Config.Koopman.Training.Steps)
	m, scores, err := koopmanfit.Fit(ctx, k, &d.Config.Koopman, d.Config.Seed, func(step int, loss float64) {
		p.Set(step+1, d.Config.Koopman.Training.Steps, fmt.Sprintf("loss %.4f", loss))
	})
	if err != nil {
		return err
	}
	d.report.Prediction, d.report.Radius = koopmanfit.OnDemonstrations.Of(scores), m.SpectralRadius()
	p.Finish(fmt.Sprintf("%d steps, spectral radius %.4f", d.Config.Koopman.Training.Steps, d.report.Radius))
	return m.Save(filepath.Join(d.Dir, "koopman.safetensors"))
}

// demonstrations collects the expert's episodes into the folder demos, or goes on with those of a demo that was
// interrupted.
func (d *Story) demonstrations(ctx context.Context) (*dataset.Dataset, error) {
	dir := filepath.Join(d.Dir, "demos")
	_, err := os.Stat(dir)
	begun, wrong := err == nil, (*usage.Error)(nil)
	if _, err = d.Collect(ctx, dir, begun, nil); begun && errors.As(err, &wrong) {
		err = usage.Errorf("%s is of another demo: choose another --out: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	return dataset.Read(dir)
}

// compare plays every policy on the same seeds, over ROS in lock step.
func (d *Story) compare(ctx context.Context, e *Evaluation) (err error) {
	before := e.Journal.Len()
	if before > 0 {
		d.Logger.Info("going on with the evaluation of a demo that was interrupted", "episodes", before)
	}
	p := d.begin("evaluate over ROS", "episodes", 1)
	cells, err := e.Run(ctx, p)
	if err != nil {
		if len(cells) > 0 {
			err = errors.Join(err, eval.SuccessTable(eval.NewReport(cells).Results).WriteText(d.Partial))
		}
		return errors.Join(err, e.Journal.Close(false))
	}
	if err := e.Journal.Close(true); err != nil {
		return err
	}
	d.report.Cells, d.report.Results = cells, eval.NewReport(cells).Results
	d.report.Comparisons = eval.Compare(cells, eval.Reference)
	for i := range cells {
		for _, played := range cells[i].Episodes {
			d.report.LockStep.Steps += played.Steps
		}
		if err := cells[i].Faults(); err != nil {
			d.note("episodes of %s ended by a fault and count as failures: %v", cells[i].Policy, err)
		}
	}
	took := p.Finish(fmt.Sprintf("%d episodes, %d control steps", e.Episodes(), d.report.LockStep.Steps))
	if before == 0 { // else part of it was played in another time
		rate := float64(d.report.LockStep.Steps) / took.Seconds()
		d.report.LockStep.StepsPerSecond = &rate
	}
	return nil
}

// keepTime runs one episode of the last policy on the wall clock and measures the loop's jitter.
func (d *Story) keepTime(ctx context.Context) (err error) {
	if d.Quick {
		return nil
	}
	chosen := d.policies[len(d.policies)-1]
	policy, err := chosen.New()
	if err != nil {
		return err
	}
	begun := time.Now()
	p := d.begin("real time at 10 Hz", "seconds", int(realTimeLimit.Seconds()))
	l, err := d.OpenLane(ctx, d.Conditions()[0], false, func(*loop.Record) {
		p.Set(int(time.Since(begun).Seconds()), int(realTimeLimit.Seconds()), "")
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
	p.Finish(fmt.Sprintf("%s, %s, jitter p50/p99/max %v", chosen.Name, outcome, *d.report.RealTime.Jitter))
	return nil
}

// errTimeUp ends the real-time episode.
var errTimeUp = errors.New("time is up")

// note keeps something that the reader of the results must know.
func (d *Story) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.Logger.Warn(text)
	d.report.Notes = append(d.report.Notes, text)
}

// draw renders an episode that was assembled and one of the base policy that failed.
func (d *Story) draw(ctx context.Context) error {
	every := 5
	if d.Quick {
		every = 25
	}
	var episodes []demo.Shown
	frames, done := 0, 0
	for _, want := range []bool{true, false} {
		if shown, ok := demo.Pick(d.policies, d.report.Cells, want); ok {
			episodes = append(episodes, shown)
			frames += shown.Steps/every + 1
		}
	}
	p := d.begin("render", "frames", frames)
	count := func(*image.RGBA) error {
		done++
		p.Set(min(done, frames), frames, "")
		return nil
	}
	for _, shown := range episodes {
		clip, err := d.Film(ctx, shown.Condition, shown.Policy, shown.Seed, every, count)
		if errors.Is(err, render.ErrNoGL) || errors.Is(err, render.ErrNoEngine) {
			d.note("no pictures of episodes: %v", err)
			return nil
		}
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := png.Encode(&b, clip.Strip(stripColumns, panelWidth)); err != nil {
			return err
		}
		name, words := "failed", "fails"
		if clip.Result.Success {
			name, words = "assembled", "assembles the leg"
		}
		caption := fmt.Sprintf("%s %s%s (%d control steps, seed %d)", shown.Policy.Name, words, withPushes(shown.Condition),
			clip.Steps, shown.Seed)
		d.report.Pictures = append(d.report.Pictures, demo.Picture{
			File: name + ".png", Picture: report.Picture{Data: b.Bytes(), Alt: caption, Caption: caption},
		})
	}
	p.Finish(fmt.Sprintf("%d frames", done))
	return nil
}

func withPushes(c eval.Condition) string {
	if c.Perturb > 0 {
		return " under perturbation"
	}
	return ""
}
