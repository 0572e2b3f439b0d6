package sweep

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"korr/internal/report"
	"korr/train/eval"
)

// Cell is one training and what its policy did: the content of cell.json.
type Cell struct {
	Variant  string    `json:"variant"`
	Settings []string  `json:"settings"`
	Seed     uint64    `json:"seed"`
	Steps    int       `json:"steps"`
	Seconds  float64   `json:"seconds"` // wall time of the training; of its last part if members of it were resumed
	EvalSeed uint64    `json:"eval_seed"`
	Results  []Outcome `json:"results"`
}

// Outcome is what the policy did under one condition, episode by episode.
type Outcome struct {
	Randomness string  `json:"randomness"`
	Perturb    float64 `json:"perturb"`
	Outcomes   []bool  `json:"outcomes"`
}

// result is what the cell's policy did in the first episodes under a condition; false when not as many were played.
func (c *Cell) result(cond eval.Condition, episodes int) (Outcome, bool) {
	for _, r := range c.Results {
		if r.Randomness == cond.Randomness && r.Perturb == cond.Perturb && len(r.Outcomes) >= episodes {
			r.Outcomes = r.Outcomes[:episodes] // the seeds of more episodes begin with these
			return r, true
		}
	}
	return Outcome{}, false
}

// add takes up results, in the place of those of the same condition.
func (c *Cell) add(played []Outcome) {
	for _, p := range played {
		c.Results = slices.DeleteFunc(c.Results, func(r Outcome) bool {
			return r.Randomness == p.Randomness && r.Perturb == p.Perturb
		})
	}
	c.Results = append(c.Results, played...)
}

// minutesColumn is the column of the mean wall time of a training.
const minutesColumn = "minutes"

// without drops a column of a table by its name.
func without(t *report.Table, name string) {
	at := slices.IndexFunc(t.Columns, func(c report.Column) bool { return c.Name == name })
	t.Columns = slices.Delete(t.Columns, at, at+1)
	for i := range t.Rows {
		t.Rows[i] = slices.Delete(t.Rows[i], at, at+1)
	}
}

// WriteText prints a table for each condition.
func (r *Report) WriteText(w io.Writer) error {
	c := r.config
	for _, cond := range c.Conditions {
		t := &report.Table{Columns: []report.Column{
			{Name: "variant"},
			{Name: "seeds", Right: true},
			{Name: "steps", Right: true},
			{Name: minutesColumn, Right: true},
			{Name: "solved", Right: true},
			{Name: "success", Right: true},
			{Name: "95 % interval", Right: true},
			{Name: "seeds' range", Right: true},
			{Name: "minus " + c.Reference, Right: true},
			{Name: "95 % interval", Right: true},
		}}
		for _, v := range c.Variants {
			t.Rows = append(t.Rows, tableRow(r.Cells, v.Name, c.Reference, cond, c.Episodes))
		}
		if c.Timeless {
			without(t, minutesColumn)
		}
		if _, err := fmt.Fprintf(w, "%s, pushes %g\n\n", cond.Randomness, cond.Perturb); err != nil {
			return err
		}
		if err := t.WriteText(w); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// tableRow sums a variant up under one condition. The difference pairs the seeds that both variants have finished.
func tableRow(cells []Cell, name, reference string, cond eval.Condition, episodes int) []string {
	ref := map[uint64][]bool{}
	for _, c := range cells {
		if r, played := c.result(cond, episodes); played && c.Variant == reference {
			ref[c.Seed] = r.Outcomes
		}
	}
	var all, mine, theirs []bool
	seeds, steps, seconds := 0, 0, 0.0
	low, high := 1.0, 0.0
	for _, c := range cells {
		r, played := c.result(cond, episodes)
		if !played || c.Variant != name {
			continue
		}
		out := r.Outcomes
		all = append(all, out...)
		rate := float64(successes(out)) / float64(len(out))
		low, high = min(low, rate), max(high, rate)
		seeds, steps, seconds = seeds+1, c.Steps, seconds+c.Seconds
		if r, ok := ref[c.Seed]; ok && len(r) == len(out) {
			mine, theirs = append(mine, out...), append(theirs, r...)
		}
	}
	if seeds == 0 {
		return []string{name, "0", "", "", "", "", "", "", "", ""}
	}
	k := successes(all)
	ci := eval.Wilson(k, len(all))
	row := []string{
		name, strconv.Itoa(seeds), strconv.Itoa(steps), fmt.Sprintf("%.1f", seconds/60/float64(seeds)),
		fmt.Sprintf("%d/%d", k, len(all)),
		fmt.Sprintf("%.1f %%", 100*float64(k)/float64(len(all))), fmt.Sprintf("%.1f – %.1f", 100*ci[0], 100*ci[1]),
		fmt.Sprintf("%.0f – %.0f", 100*low, 100*high), "", "",
	}
	if len(mine) > 0 && name != reference {
		d := eval.PairedDifference(mine, theirs)
		row[8], row[9] = fmt.Sprintf("%+.1f", 100*d.Rate), fmt.Sprintf("%+.1f – %+.1f", 100*d.CI95[0], 100*d.CI95[1])
	}
	return row
}

func successes(outcomes []bool) (n int) {
	for _, s := range outcomes {
		if s {
			n++
		}
	}
	return n
}
