package demo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"korr/internal/report"
	"korr/koopman"
	"korr/residual/loop"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// Picture is one picture of the report and the name of its own file.
type Picture struct {
	File string
	report.Picture
}

// Report is the result with what the page tells beside it.
type Report struct {
	Result
	Task     string
	Seed     uint64
	Model    koopman.Config // that was trained
	Command  string         // that plays the same evaluation
	Cells    []eval.Cell    // of the evaluation
	Pictures []Picture      // of episodes
}

// Save puts report, results and pictures into a folder.
func (r *Report) Save(dir string) error {
	success, err := eval.SuccessFigure(r.Results)
	if err != nil {
		return err
	}
	prediction, err := koopmanfit.Figure(r.Prediction)
	if err != nil {
		return err
	}
	for file, figure := range map[string]interface{ Save(string) error }{
		"success.png":    success,
		"prediction.png": prediction,
	} {
		if err := figure.Save(filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	for _, p := range r.Pictures {
		if err := os.WriteFile(filepath.Join(dir, p.File), p.Data, 0o644); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(r.Result, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(text, '\n'), 0o644); err != nil {
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
	return r.page(successSVG, predictionSVG).Save(r.Result.Report)
}

func (r *Report) page(successSVG, predictionSVG []byte) *report.Page {
	page := &report.Page{
		Title: "korr demo: " + r.Task,
		Lead: "A base policy learned from demonstrations plans in chunks; a small residual, trained by reinforcement " +
			"learning, corrects it at every " +
			"control step. KORR's residual reads where a linear (Koopman) model predicts the base action to lead.",
		Footer: fmt.Sprintf("korr demo, seed %d, %.0f s on %d cores (%s/%s).", r.Seed, r.Seconds, runtime.NumCPU(),
			runtime.GOOS, runtime.GOARCH),
	}
	for _, res := range r.Results {
		page.Facts = append(page.Facts, report.Fact{
			Value: eval.Percent(res.Rate), Label: res.Policy + map[bool]string{false: "", true: ", perturbed"}[res.Perturbed],
			Detail: fmt.Sprintf("%d of %d, %s", res.Successes, res.Episodes, eval.Interval(res.CI95)),
		})
	}
	results := eval.SuccessSection(r.Cells, successSVG)
	pace := ""
	if r.LockStep.StepsPerSecond != nil {
		pace = fmt.Sprintf(" at %.0f a second", *r.LockStep.StepsPerSecond)
	}
	results.Text = append(results.Text, fmt.Sprintf("Every episode ran through the control loop over ROS: a simulator "+
		"node and a control node in lock step on the "+
		"loopback interface, %d control steps%s.", r.LockStep.Steps, pace))
	results.Code = r.Command
	page.Sections = append(page.Sections, results)
	if len(r.Pictures) > 0 {
		s := report.Section{Title: "An episode"}
		if len(r.Pictures) > 1 {
			s.Title = "Episodes"
		}
		for _, p := range r.Pictures {
			s.Pictures = append(s.Pictures, p.Picture)
		}
		page.Sections = append(page.Sections, s)
	}
	page.Sections = append(page.Sections, report.Section{
		Title: "The Koopman model",
		Text: []string{fmt.Sprintf("Trained just now on %d demonstrations (%d frames) of the scripted expert: observations "+
			"are lifted to z = [o; phi(o)], and "+
			"%s predicts them open loop. The spectral radius is %.4f, bounded by %g, so predictions cannot blow up.",
			r.Episodes, r.Frames, r.Model.Equation(), r.Radius, r.Model.SpectralBound)},
		Tables: []report.CaptionedTable{{
			Table:   *koopmanfit.Table(r.Prediction),
			Caption: "RMSE of the normalised observation on held-out demonstrations.",
		}},
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

func realTimeSection(r *RealTime) report.Section {
	t := report.Table{Columns: []report.Column{
		{Name: "what"},
		{Name: "median", Right: true},
		{Name: "99 %", Right: true},
		{Name: "largest", Right: true},
	}}
	for _, row := range []struct {
		name string
		s    loop.Millis
	}{{"jitter of the period", *r.Jitter}, {"from waking up to the command sent", r.Latency}} {
		t.Add(row.name, fmt.Sprintf("%.2f ms", row.s.P50), fmt.Sprintf("%.2f ms", row.s.P99),
			fmt.Sprintf("%.2f ms", row.s.Max))
	}
	return report.Section{
		Title: "One episode in real time",
		Text: []string{fmt.Sprintf("%s on the wall clock at 10 Hz: %s, %d commands, of which the shield limited %d; "+
			"longest row of missed deadlines %d.",
			r.Policy, r.Outcome, r.Ticks, r.Limited, r.Missed)},
		Tables: []report.CaptionedTable{{Table: t}},
	}
}
