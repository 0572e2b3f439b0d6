package eval

import (
	"encoding/csv"
	"io"
	"strconv"

	"korr/sim"
)

// Schema names the JSON form of a Report.
const Schema = "korr.eval/1"

// Report is what `korr eval --json` prints.
type Report struct {
	Schema  string   `json:"schema"` // Schema
	Results []Result `json:"results"`
}

// Result is one policy's rate under one condition.
type Result struct {
	Task       string     `json:"task"`
	Randomness string     `json:"randomness"`
	Perturbed  bool       `json:"perturbed"`
	Sensing    string     `json:"sensing,omitempty"` // see Condition
	Physics    string     `json:"physics,omitempty"` // see Condition
	Policy     string     `json:"policy"`
	Episodes   int        `json:"episodes"`
	Successes  int        `json:"successes"`
	OneYaw     *int       `json:"successes_one_yaw,omitempty"` // those at the published yaw, see Episode
	Rate       float64    `json:"rate"`                        // successes / episodes
	CI95       [2]float64 `json:"ci95"`                        // Wilson
	MeanSteps  float64    `json:"mean_steps"`                  // control steps over all episodes, failures included
	// FailedAt counts the failures by what was still to be done.
	FailedAt map[sim.Stage]int `json:"failed_at,omitempty"`
}

// NewReport sums the cells up.
func NewReport(cells []Cell) Report {
	r := Report{Schema: Schema, Results: make([]Result, 0, len(cells))}
	for i := range cells {
		r.Results = append(r.Results, cells[i].Result())
	}
	return r
}

// Result sums the cell up.
func (c *Cell) Result() Result {
	r := Result{
		Task: c.Task, Randomness: c.Randomness, Perturbed: c.Perturb > 0, Sensing: c.Sensing, Physics: c.Physics,
		Policy: c.Policy, Episodes: len(c.Episodes),
	}
	steps := 0
	for _, e := range c.Episodes {
		steps += e.Steps
		if e.OneYaw != nil {
			if r.OneYaw == nil {
				r.OneYaw = new(int)
			}
			if *e.OneYaw {
				*r.OneYaw++
			}
		}
		switch {
		case e.Success:
			r.Successes++
		case e.Stage != "":
			if r.FailedAt == nil {
				r.FailedAt = map[sim.Stage]int{}
			}
			r.FailedAt[e.Stage]++
		}
	}
	r.CI95 = Wilson(r.Successes, r.Episodes)
	if r.Episodes > 0 {
		r.Rate = float64(r.Successes) / float64(r.Episodes)
		r.MeanSteps = float64(steps) / float64(r.Episodes)
	}
	return r
}

// Comparison is a policy's paired difference to a reference policy under one condition.
type Comparison struct {
	Task       string `json:"task"`
	Randomness string `json:"randomness"`
	Perturbed  bool   `json:"perturbed"`
	Sensing    string `json:"sensing,omitempty"`
	Physics    string `json:"physics,omitempty"`
	Policy     string `json:"policy"`
	Reference  string `json:"reference"`
	Difference
}

// Compare pairs every cell with the cell of the reference policy under the same condition; the reference itself and
// conditions without it are left out.
func Compare(cells []Cell, reference string) []Comparison {
	ref := map[Condition]*Cell{}
	for i := range cells {
		if cells[i].Policy == reference {
			ref[cells[i].Condition] = &cells[i]
		}
	}
	var out []Comparison
	for i := range cells {
		c := &cells[i]
		r, ok := ref[c.Condition]
		if !ok || c == r || len(r.Episodes) != len(c.Episodes) {
			continue
		}
		out = append(out, Comparison{
			Task: c.Task, Randomness: c.Randomness, Perturbed: c.Perturb > 0, Sensing: c.Sensing, Physics: c.Physics,
			Policy: c.Policy, Reference: reference,
			Difference: PairedDifference(c.Outcomes(), r.Outcomes()),
		})
	}
	return out
}

// WriteCSV writes one line per episode, so that any other statistic can be computed from it.
func WriteCSV(w io.Writer, cells []Cell) error {
	cw := csv.NewWriter(w)
	_ = cw.Write([]string{
		"task", "randomness", "perturb", "policy", "episode", "seed", "success", "steps", "stage",
		"fault", "domain", "sensing", "physics", "one_yaw",
	})
	for i := range cells {
		c := &cells[i]
		for n, e := range c.Episodes {
			fault := ""
			if e.Fault != nil {
				fault = e.Fault.Error()
			}
			oneYaw := ""
			if e.OneYaw != nil {
				oneYaw = strconv.FormatBool(*e.OneYaw)
			}
			_ = cw.Write([]string{
				c.Task, c.Randomness, strconv.FormatFloat(c.Perturb, 'g', -1, 64), c.Policy, strconv.Itoa(n),
				strconv.FormatUint(e.Seed, 10), strconv.FormatBool(e.Success), strconv.Itoa(e.Steps), string(e.Stage), fault,
				e.Domain.String(),
				c.Sensing, c.Physics, oneYaw,
			})
		}
	}
	cw.Flush()
	return cw.Error() // keeps the first error of every write
}
