package pipeline

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"korr/internal/plot"
	"korr/internal/report"
	"korr/train/curves"
	"korr/train/eval"
	"korr/train/koopmanfit"
	"korr/train/run"
)

// Names of what Run leaves beside the run folders.
const (
	ReportName  = "report.html"
	ResultName  = "result.json"
	SuccessName = "success.png"
	CurvesName  = "curves.png"
)

// save writes the page, its pictures and the result.
func (r *Result) save() error {
	success, err := eval.SuccessFigure(r.Results)
	if err != nil {
		return err
	}
	page := report.Page{
		Title: "korr: " + r.Task,
		Lead: "A base policy learned from demonstrations plans in chunks; a residual, trained by reinforcement learning, " +
			"corrects it at every " +
			"control step.",
		Footer: fmt.Sprintf("%s on %d cores (%s/%s).", r.spent(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
	}
	if err := r.picture(&page, "Success rates", SuccessName, success, *eval.SuccessTable(r.Results),
		"Episodes solved before the time limit, with 95 % Wilson intervals over the episodes."); err != nil {
		return err
	}
	if len(r.Versus) > 0 {
		page.Sections = append(page.Sections, report.Section{
			Title: "Against the base policy", Text: []string{"The same episodes, paired: in percentage points, with " +
				"Newcombe's intervals."},
			Tables: []report.CaptionedTable{{Table: *eval.DifferenceTable(r.Versus)}},
		})
	}
	if len(r.runs) > 0 {
		curve, _, err := curves.Draw(r.runs, "", false)
		if err != nil {
			return err
		}
		if err := r.picture(&page, "Learning", CurvesName, curve, *r.stageTable(), "What each stage took."); err != nil {
			return err
		}
	}
	if scores := koopmanfit.OnDemonstrations.Of(r.Prediction); len(scores) > 0 {
		figure, err := koopmanfit.Figure(scores)
		if err != nil {
			return err
		}
		if err := r.picture(&page, "The Koopman model", "prediction.png", figure, *koopmanfit.Table(scores),
			koopmanfit.OnDemonstrations.Caption+"."); err != nil {
			return err
		}
	}
	page.Sections = append(page.Sections, report.Section{Title: "What to type next", Code: strings.Join(r.Next(), "\n")})
	if err := writeJSON(filepath.Join(r.dir, ResultName), r); err != nil {
		return err
	}
	return page.Save(filepath.Join(r.dir, ReportName))
}

// picture draws a figure into a file of its own and into a section of the page, above its table.
func (r *Result) picture(page *report.Page, title, file string, f *plot.Figure, t report.Table, caption string) error {
	if err := f.Save(filepath.Join(r.dir, file)); err != nil {
		return err
	}
	svg, err := f.Encode("svg")
	if err != nil {
		return err
	}
	page.Sections = append(page.Sections, report.Section{
		Title: title, Tables: []report.CaptionedTable{{Table: t, Caption: caption}}, Pictures: []report.Picture{{
			Data: svg,
			Alt:  strings.ToLower(title),
		}},
	})
	return nil
}

// stageTable lists what each stage took.
func (r *Result) stageTable() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "stage"},
		{Name: "minutes", Right: true},
		{Name: "simulator steps", Right: true},
		{Name: "what came out"},
	}}
	for _, s := range r.Stages {
		t.Add(s.Name, fmt.Sprintf("%.1f", s.Seconds/60), fmt.Sprint(s.SimSteps), s.Note)
	}
	return t
}

// spent says what the whole took.
func (r *Result) spent() string {
	var all time.Duration
	for _, s := range r.Stages {
		all += time.Duration(s.Seconds * float64(time.Second))
	}
	return fmt.Sprintf("%d simulator steps a policy, everything counted; %.1f minutes of training", r.SimSteps,
		all.Minutes())
}

// Next lists commands that go on from here.
func (r *Result) Next() []string {
	best := BaseName
	for _, s := range r.Stages {
		if s.Name == "korr" || s.Name == "resip" && best != "korr" {
			best = s.Name
		}
	}
	policy := filepath.Join(r.Folder, run.CheckpointsDir, best+".safetensors")
	base := filepath.Join(r.Folder, run.CheckpointsDir, BaseName+".safetensors")
	return []string{
		fmt.Sprintf("korr sim --view 127.0.0.1:8080 --task %s --policy %s   # watch it", r.Task, policy),
		fmt.Sprintf("korr eval --task %s --policy %s,%s --randomness low,med,high --episodes 200 --seed 2   # narrower "+
			"intervals", r.Task, base, policy),
		fmt.Sprintf("korr plot %s --out curves.png   # other metrics: --metric NAME", filepath.Join(r.Folder, best)),
		fmt.Sprintf("korr inspect %s   # what is in it", policy),
	}
}

// WriteText prints the tables, where the pictures are, and what to type next.
func (r *Result) WriteText(w io.Writer) error {
	if err := eval.SuccessTable(r.Results).WriteText(w); err != nil {
		return err
	}
	if len(r.Versus) > 0 {
		if _, err := fmt.Fprintf(w, "\nPaired difference to %s\n\n", BaseName); err != nil {
			return err
		}
		if err := eval.DifferenceTable(r.Versus).WriteText(w); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s.\nReport with learning curves: %s\n\nWhat to type next:\n  %s\n",
		r.spent(), filepath.Join(r.dir, ReportName), strings.Join(r.Next(), "\n  "))
	return err
}
