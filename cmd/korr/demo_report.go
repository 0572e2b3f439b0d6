package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"runtime"

	"korr/internal/report"
	"korr/residual/loop"
	"korr/sim/mujoco/render"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// demoPicture is one picture of the report and its file's name.
type demoPicture struct {
	file    string
	picture report.Picture
}

// draw renders an episode that was assembled and one of the base policy that failed.
func (d *demo) draw(ctx context.Context) error {
	every := 5
	if d.quick {
		every = 25
	}
	p := d.progress("render", "episodes", 2)
	done := 0
	for _, want := range []bool{true, false} {
		shown, ok := d.pick(want)
		if !ok {
			continue
		}
		clip, err := d.film(ctx, shown.condition, shown.policy, shown.seed, every, nil)
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
		caption := fmt.Sprintf("%s %s%s (%d control steps, seed %d)", shown.policy.Name, words, withPushes(shown.condition), clip.Steps, shown.seed)
		d.pictures = append(d.pictures, demoPicture{name + ".png", report.Picture{Data: b.Bytes(), Alt: caption, Caption: caption}})
		done++
		p.set(done, 2, "")
	}
	p.finish(fmt.Sprintf("%d episodes", done))
	return nil
}

// stripColumns and panelWidth lay the key frames of an episode out: pictures to a row, and pixels.
const stripColumns, panelWidth = 3, 460

func withPushes(c eval.Condition) string {
	if c.Perturb > 0 {
		return " under perturbation"
	}
	return ""
}

// shown is an episode worth showing.
type shown struct {
	condition eval.Condition
	policy    eval.Policy
	seed      uint64
}

// pick looks for an episode that succeeded, the last policies first, or for one that failed, the first policies first; rather
// a seed on which the first and the last policy differ.
func (d *demo) pick(success bool) (shown, bool) {
	n := len(d.policies)
	for k := range n {
		i := k
		if success {
			i = n - 1 - k
		}
		var found *shown
		for from := 0; from < len(d.cells); from += n {
			group := d.cells[from : from+n]
			for e, ep := range group[i].Episodes {
				s := shown{group[i].Condition, d.policies[i], ep.Seed}
				switch {
				case ep.Success != success || ep.Fault != nil:
				case group[0].Episodes[e].Success != group[n-1].Episodes[e].Success:
					return s, true
				case found == nil:
					found = &s
				}
			}
		}
		if found != nil {
			return *found, true
		}
	}
	return shown{}, false
}

// write puts report, results and pictures into the folder.
func (d *demo) write() error {
	success, err := eval.SuccessFigure(d.result.Results)
	if err != nil {
		return err
	}
	prediction, err := koopmanfit.Figure(d.result.Prediction)
	if err != nil {
		return err
	}
	for file, figure := range map[string]interface{ Save(string) error }{"success.png": success, "prediction.png": prediction} {
		if err := figure.Save(filepath.Join(d.dir, file)); err != nil {
			return err
		}
	}
	for _, p := range d.pictures {
		if err := os.WriteFile(filepath.Join(d.dir, p.file), p.picture.Data, 0o644); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(d.result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(d.dir, "results.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	successSVG, err := success.Encode("svg")
	if err != nil {
		return err
	}
	predictionSVG, err := prediction.Encode("svg")
	if err != nil {
		return err
	}
	return d.page(successSVG, predictionSVG).Save(d.result.Report)
}

func (d *demo) page(successSVG, predictionSVG []byte) *report.Page {
	r := &d.result
	page := &report.Page{
		Title: "korr demo: " + d.Config.Sim.Task,
		Lead: "A base policy learned from demonstrations plans in chunks; a small residual, trained by reinforcement learning, corrects it at every " +
			"control step. KORR's residual reads where a linear (Koopman) model predicts the base action to lead.",
		Footer: fmt.Sprintf("korr demo, seed %d, %.0f s on %d cores (%s/%s).", d.Config.Seed, r.Seconds, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
	}
	for _, res := range r.Results {
		page.Facts = append(page.Facts, report.Fact{Value: fmt.Sprintf("%.0f %%", 100*res.Rate), Label: res.Policy + map[bool]string{false: "", true: ", perturbed"}[res.Perturbed]})
	}
	results := eval.SuccessSection(d.cells, successSVG)
	results.Text = append(results.Text, fmt.Sprintf("Every episode ran through the control loop over ROS: a simulator node and a control node in lock step on the "+
		"loopback interface, %d control steps at %.0f a second.", r.LockStep.Steps, r.LockStep.StepsPerSecond))
	results.Code = fmt.Sprintf("korr eval --ros --seed %d --episodes %d", d.Config.Seed, d.Config.Eval.Episodes)
	page.Sections = append(page.Sections, results)
	if len(d.pictures) > 0 {
		s := report.Section{Title: "Two episodes"}
		for _, p := range d.pictures {
			s.Pictures = append(s.Pictures, p.picture)
		}
		page.Sections = append(page.Sections, s)
	}
	page.Sections = append(page.Sections, report.Section{
		Title: "The Koopman model",
		Text: []string{fmt.Sprintf("Trained just now on %d demonstrations (%d frames) of the scripted expert: observations are lifted to z = [o; phi(o)], and "+
			"%s predicts them open loop. The spectral radius is %.4f, bounded by %g, so predictions cannot blow up.",
			r.Episodes, r.Frames, d.Config.Koopman.Model.Equation(), r.Radius, d.Config.Koopman.Model.SpectralBound)},
		Tables:   []report.CaptionedTable{{Table: *koopmanfit.Table(r.Prediction), Caption: "RMSE of the normalised observation on held-out demonstrations."}},
		Pictures: []report.Picture{{Data: predictionSVG, Alt: "prediction error over the horizon"}},
	})
	if r.RealTime != nil {
		page.Sections = append(page.Sections, realTimeSection(r.RealTime))
	}
	if len(r.Notes) > 0 {
		page.Sections = append(page.Sections, report.Section{Title: "Notes", Text: r.Notes})
	}
	return page
}

func realTimeSection(r *demoRealTime) report.Section {
	t := report.Table{Columns: []report.Column{{Name: "what"}, {Name: "median", Right: true}, {Name: "99 %", Right: true}, {Name: "largest", Right: true}}}
	for _, row := range []struct {
		name string
		s    loop.Millis
	}{{"jitter of the period", *r.Jitter}, {"from waking up to the command sent", r.Latency}} {
		t.Add(row.name, fmt.Sprintf("%.2f ms", row.s.P50), fmt.Sprintf("%.2f ms", row.s.P99), fmt.Sprintf("%.2f ms", row.s.Max))
	}
	return report.Section{
		Title: "One episode in real time",
		Text: []string{fmt.Sprintf("%s on the wall clock at 10 Hz: %s, %d commands, of which the shield limited %d; longest row of missed deadlines %d.",
			r.Policy, r.Outcome, r.Ticks, r.Limited, r.Missed)},
		Tables: []report.CaptionedTable{{Table: t}},
	}
}

// print is the result on the terminal.
func (d *demo) print() error {
	r := &d.result
	if err := d.Printf("Koopman model of %d demonstrations: RMSE of the normalised observation, n steps ahead, held out\n\n", r.Episodes); err != nil {
		return err
	}
	if err := koopmanfit.Table(r.Prediction).WriteText(d.Out); err != nil {
		return err
	}
	if err := d.Printf("\nSuccess over ROS in lock step, the same %d seeds for every policy\n\n", d.Config.Eval.Episodes); err != nil {
		return err
	}
	if err := eval.SuccessTable(r.Results).WriteText(d.Out); err != nil {
		return err
	}
	if len(r.Comparisons) > 0 {
		if err := d.Printf("\nPaired difference to %s, in percentage points\n\n", eval.Reference); err != nil {
			return err
		}
		if err := eval.DifferenceTable(r.Comparisons).WriteText(d.Out); err != nil {
			return err
		}
	}
	if r.RealTime != nil {
		if err := d.Printf("\nIn real time at 10 Hz: %s %s; jitter p50/p99/max %v\n", r.RealTime.Policy, r.RealTime.Outcome, *r.RealTime.Jitter); err != nil {
			return err
		}
	}
	return d.Printf("\nReport: %s (%.0f s)\n", r.Report, r.Seconds)
}
