package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"korr/internal/atomicfile"
	"korr/internal/report"
	"korr/train/eval"
	"korr/train/koopmanfit"
)

// Names of the files.
const (
	TablesName = "results.md"
	CostsName  = "costs.md"
	JSONName   = "results.json"
)

// save writes the tables and the figures of what there is so far.
func (r *Report) save(dir string) error {
	var tables, costs bytes.Buffer
	if err := r.WriteMarkdown(&tables); err != nil {
		return err
	}
	if err := r.costTable().WriteMarkdown(&costs); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		TablesName: tables.Bytes(), CostsName: costs.Bytes(),
		JSONName: append(text, '\n'),
	} {
		if err := atomicfile.Write(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	for _, task := range r.tasks() {
		figure, err := eval.SuccessFigure(r.bars(task))
		if err != nil {
			return err
		}
		if err := figure.Save(filepath.Join(dir, task+".png")); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) tasks() (out []string) {
	for i := range r.Rows {
		if !slices.Contains(out, r.Rows[i].Task) {
			out = append(out, r.Rows[i].Task)
		}
	}
	return out
}

// bars are the rates of a task by base and method.
func (r *Report) bars(task string) (out []eval.Result) {
	for i := range r.Rows {
		if w := r.Rows[i]; w.Task == task {
			w.Policy = w.name()
			out = append(out, w.Result)
		}
	}
	return out
}

// name is the policy with its base, where there are several.
func (w *Row) name() string {
	if w.Base == "" {
		return w.Policy
	}
	return string(w.Base) + " " + w.Policy
}

// WriteMarkdown writes every table that equal seeds make equal.
func (r *Report) WriteMarkdown(w io.Writer) error {
	for _, task := range r.tasks() {
		if err := section(w, task+": success", r.successTable(task)); err != nil {
			return err
		}
		if t := r.differenceTable(task); len(t.Rows) > 0 {
			if err := section(w, task+": methods compared, over training seeds", t); err != nil {
				return err
			}
		}
	}
	for _, p := range r.prediction {
		for _, on := range koopmanfit.Scorings {
			scores := on.Of(p.scores)
			if len(scores) == 0 {
				continue
			}
			t := koopmanfit.Table(scores)
			last := len(t.Columns) - 1 // the time of a forecast, which no seed decides
			t.Columns = t.Columns[:last]
			for i := range t.Rows {
				t.Rows[i] = t.Rows[i][:last]
			}
			if err := section(w, fmt.Sprintf("%s, %s base, seed %d: %s", p.Task, p.Base, p.Seed, on.Caption), t); err != nil {
				return err
			}
		}
	}
	return nil
}

func section(w io.Writer, title string, t *report.Table) error {
	if _, err := fmt.Fprintf(w, "## %s\n\n", title); err != nil {
		return err
	}
	if err := t.WriteMarkdown(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// condition are the columns that say under what a row was measured.
func (w *Row) condition() []string {
	pushes := "off"
	if w.Perturbed {
		pushes = "on"
	}
	return []string{w.Randomness, pushes, w.Sensing}
}

func (r *Report) successTable(task string) *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "level"},
		{Name: "pushes"},
		{Name: "tracker"},
		{Name: "policy"},
		{Name: "seeds", Right: true},
		{Name: "solved", Right: true},
		{Name: "success", Right: true},
		{Name: "95 % interval", Right: true},
		{Name: "seeds' range", Right: true},
		{Name: "mean steps", Right: true},
		{Name: "failed to"},
	}}
	for i := range r.Rows {
		w := &r.Rows[i]
		if w.Task != task {
			continue
		}
		seeds, spread := "", ""
		if w.Base != "" {
			seeds, spread = fmt.Sprint(len(w.Seeds)), fmt.Sprintf("%.1f – %.1f", 100*slices.Min(w.Rates),
				100*slices.Max(w.Rates))
		}
		t.Add(append(w.condition(), w.name(), seeds, fmt.Sprintf("%d/%d", w.Successes, w.Episodes),
			fmt.Sprintf("%.1f %%", 100*w.Rate),
			eval.Interval(w.CI95), spread, fmt.Sprintf("%.0f", w.MeanSteps), eval.Stages(w.FailedAt))...)
	}
	return t
}

func (r *Report) differenceTable(task string) *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "level"},
		{Name: "pushes"},
		{Name: "tracker"},
		{Name: "base"},
		{Name: "comparison"},
		{Name: "seeds", Right: true},
		{Name: "points", Right: true},
		{Name: "95 % interval over seeds", Right: true},
		{Name: "says"},
	}}
	for i := range r.Differences {
		d := &r.Differences[i]
		if d.Task != task {
			continue
		}
		interval, says := "", "needs more seeds"
		if d.Told {
			interval, says = fmt.Sprintf("%+.1f … %+.1f", 100*d.CI95[0], 100*d.CI95[1]), "not told apart"
		}
		switch {
		case d.Above():
			says = d.Method + " is above"
		case d.Below():
			says = d.Method + " is below"
		}
		t.Add(append(d.Condition.condition(), string(d.Base), d.Method+" – "+d.Reference, fmt.Sprint(d.Seeds),
			fmt.Sprintf("%+.1f", 100*d.Mean), interval, says)...)
	}
	return t
}

// costTable lists what every stage of every job took.
func (r *Report) costTable() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "task"},
		{Name: "base"},
		{Name: "seed", Right: true},
		{Name: "stage"},
		{Name: "minutes", Right: true},
		{Name: "simulator steps", Right: true},
		{Name: "what came out"},
	}}
	for _, c := range r.costs {
		t.Add(c.Task, string(c.Base), fmt.Sprint(c.Seed), c.Name, fmt.Sprintf("%.1f", c.Seconds/60),
			fmt.Sprint(c.SimSteps), c.Note)
	}
	return t
}
