package verify

import (
	"fmt"
	"io"
	"math"

	"korr/internal/report"
)

// Verdict counts the failed checks; empty when all passed.
func (r *Report) Verdict() string {
	if r.Passed {
		return ""
	}
	failed := 0
	for _, c := range r.Checks {
		if !c.OK {
			failed++
		}
	}
	return fmt.Sprintf("%d of %d checks failed", failed, len(r.Checks))
}

// WriteText prints a row for each check, then one for each file.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "file"},
		{Name: "quantity"},
		{Name: "error", Right: true},
		{Name: "at most", Right: true},
		{Name: ""},
		{Name: "remark"},
	}}
	for _, c := range r.Checks {
		size, bound, verdict := "-", "-", "FAILED"
		if c.Error != nil {
			size = fmt.Sprintf("%.1e", *c.Error)
		}
		if c.Tolerance > 0 {
			bound = fmt.Sprintf("%.2g", c.Tolerance)
		}
		if c.OK {
			verdict = "ok"
		}
		t.Add(c.File, c.Quantity, size, bound, verdict, c.Note)
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	if err := r.files().WriteText(w); err != nil || !r.Passed {
		return err
	}
	_, err := fmt.Fprintf(w, "\nAll %d checks passed.\n", len(r.Checks))
	return err
}

// files sums up every file by its check that came closest to failing.
func (r *Report) files() *report.Table {
	t := &report.Table{Columns: []report.Column{
		{Name: "file"},
		{Name: "checks", Right: true},
		{Name: "failed", Right: true},
		{Name: "largest error", Right: true},
		{Name: "of its tolerance", Right: true},
		{Name: "in"},
	}}
	for i := 0; i < len(r.Checks); {
		file, n, failed, worst, share, where := r.Checks[i].File, 0, 0, "-", "-", ""
		largest := -1.0
		for ; i < len(r.Checks) && r.Checks[i].File == file; i++ {
			c := r.Checks[i]
			n++
			if !c.OK {
				failed++
			}
			if c.Error == nil {
				continue
			}
			if of := *c.Error / math.Max(c.Tolerance, math.SmallestNonzeroFloat64); of > largest {
				largest, worst, share, where = of, fmt.Sprintf("%.1e", *c.Error), fmt.Sprintf("%.2g %%", 100*of), c.Quantity
			}
		}
		t.Add(file, fmt.Sprint(n), fmt.Sprint(failed), worst, share, where)
	}
	return t
}
