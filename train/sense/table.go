package sense

import (
	"fmt"
	"io"

	"korr/internal/report"
)

// Schema names the JSON form of a Report.
const Schema = "korr.train.filter/1"

// Report is how far from the truth the methods show the parts, by tracker.
type Report struct {
	Schema  string    `json:"schema"` // Schema
	File    string    `json:"file"`   // of the fitted filter
	Sensing []Tracked `json:"sensing"`
}

// Tracked are the errors through one tracker.
type Tracked struct {
	Sensing string   `json:"sensing"` // name of the tracker's profile
	Errors  []Errors `json:"errors"`
}

// WriteText prints the errors as a table, by tracker and phase, so that the methods stand below one another, and where the
// filter is.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{{Name: "sensing"}, {Name: "phase"}, {Name: "method"}}}
	for _, name := range []string{"mm", "95 %", "rad", "95 %", "tip mm", "95 %", "steps"} {
		t.Columns = append(t.Columns, report.Column{Name: name, Right: true})
	}
	for _, s := range r.Sensing {
		for _, phase := range Phases() {
			for _, e := range s.Errors {
				if e.Phase != phase {
					continue
				}
				row := []string{s.Sensing, string(phase), e.Method}
				for _, c := range []struct {
					digits int
					v      [2]float64
				}{{2, e.Position}, {4, e.Rotation}, {2, e.Tip}} {
					row = append(row, fmt.Sprintf("%.*f", c.digits, c.v[0]), fmt.Sprintf("%.*f", c.digits, c.v[1]))
				}
				t.Add(append(row, fmt.Sprint(e.Steps))...)
			}
		}
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.File)
	return err
}
