package eval

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"korr/internal/report"
)

// Files are where an evaluation is written to; an empty path is no file.
type Files struct {
	CSV  string // a line for each episode
	Plot string // the success rates, .png or .svg
	HTML string // a page with table and picture
}

// Save writes the files of an evaluation of a task. command is what the page shows to play it again.
func (f Files) Save(cells []Cell, task, command string) error {
	if f.CSV != "" {
		var b bytes.Buffer
		if err := WriteCSV(&b, cells); err != nil {
			return err
		}
		if err := os.WriteFile(f.CSV, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if f.Plot == "" && f.HTML == "" {
		return nil
	}
	figure, err := SuccessFigure(NewReport(cells).Results)
	if err != nil {
		return err
	}
	if f.Plot != "" {
		if err := figure.Save(f.Plot); err != nil {
			return err
		}
	}
	if f.HTML == "" {
		return nil
	}
	svg, err := figure.Encode("svg")
	if err != nil {
		return err
	}
	section := SuccessSection(cells, svg)
	section.Code = command
	page := report.Page{Title: "Success rates", Lead: "korr eval, " + task, Sections: []report.Section{section}}
	return page.Save(f.HTML)
}

// WriteTables prints the rates of cells, and the differences to the reference where it is among them.
func WriteTables(w io.Writer, cells []Cell) error {
	if err := SuccessTable(NewReport(cells).Results).WriteText(w); err != nil {
		return err
	}
	versus := Compare(cells, Reference)
	if len(versus) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\nPaired difference to %s\n\n", Reference); err != nil {
		return err
	}
	return DifferenceTable(versus).WriteText(w)
}

// Below names the first result whose rate falls below least; empty when none does.
func (r *Report) Below(least float64) string {
	for _, one := range r.Results {
		if one.Rate < least {
			return fmt.Sprintf("%s %s%s: success %.3f is below %.3f", one.Policy, one.Randomness, PerturbedWord(one.Perturbed),
				one.Rate, least)
		}
	}
	return ""
}
