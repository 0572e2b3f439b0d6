package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/train/eval"
	"korr/train/unit"
)

// Played is what a policy did under a condition, episode by episode.
type Played struct {
	eval.Result
	Strength float64 `json:"strength"` // of the pushes
	Seed     uint64  `json:"seed"`     // of the evaluation
	Outcomes []bool  `json:"outcomes"` // in the order of the episodes' seeds
	Faults   int     `json:"faults"`   // episodes that a failing policy or simulator ended
}

// of reports whether this is what a policy did under a condition in so many episodes of a seed.
func (p *Played) of(policy string, c eval.Condition, episodes int, seed uint64) bool {
	return p.Policy == policy && p.Task == c.Task && p.Randomness == c.Randomness && p.Strength == c.Perturb &&
		p.Sensing == c.Sensing && p.Physics == c.Physics && p.Episodes == episodes && p.Seed == seed
}

// Evaluate has an executor play what the plan asks for and the file at path does not hold yet; what a policy did under
// a condition is kept there as soon as it is known. It returns all that was asked for, conditions outermost. p.Progress
// hears of all episodes.
func Evaluate(ctx context.Context, p eval.Plan, path, name string, x unit.Executor) ([]Played, error) {
	e, err := newEvaluation(p, path)
	if err != nil {
		return nil, err
	}
	if err := x.Do(ctx, &unit.Job{Name: name, Units: e.units, Progress: e.within}, e.take); err != nil {
		return nil, err
	}
	return e.played(), nil
}

// evaluation is what is asked for of an evaluation's file, and the units that play what the file lacks.
type evaluation struct {
	path        string
	seed        uint64
	others      []Played // that the file holds beside
	cells       []asked  // conditions outermost
	units       []unit.Unit
	of          [][2]int // of each unit: its cell, and its number there
	done, total int      // episodes
	progress    func(done, total int)
}

// asked is a policy under a condition.
type asked struct {
	found *Played // nil until it was played
	play  *eval.Playing
}

// newEvaluation reads the file. Every unit is of one policy under one condition, and plays p.Size episodes of it, or
// all.
func newEvaluation(p eval.Plan, path string) (*evaluation, error) {
	have, err := readPlayed(path)
	if err != nil {
		return nil, err
	}
	e := &evaluation{
		path: path, seed: p.Seed, total: len(p.Conditions) * len(p.Policies) * p.Episodes,
		progress: p.Progress,
	}
	for _, c := range p.Conditions {
		for _, entry := range p.Policies {
			i := slices.IndexFunc(have, func(h Played) bool { return h.of(entry.Label, c, p.Episodes, p.Seed) })
			if i >= 0 {
				e.cells = append(e.cells, asked{found: &have[i]})
				e.done += p.Episodes
				continue
			}
			own := p
			own.Conditions, own.Policies = []eval.Condition{c}, []eval.Entry{entry}
			play, err := own.Begin()
			if err != nil {
				return nil, err
			}
			for k := range play.Units {
				e.of = append(e.of, [2]int{len(e.cells), k})
			}
			e.units = append(e.units, play.Units...)
			e.cells = append(e.cells, asked{play: play})
		}
	}
	for i := range have {
		if !slices.ContainsFunc(e.cells, func(a asked) bool { return a.found == &have[i] }) {
			e.others = append(e.others, have[i])
		}
	}
	return e, nil
}

// within hears how far a unit in this process is.
func (e *evaluation) within(done, _ int) { e.tell(e.done + done) }

func (e *evaluation) tell(done int) {
	if e.progress != nil {
		e.progress(done, e.total)
	}
}

// take takes up what a unit played.
func (e *evaluation) take(i int, r *unit.Result) error {
	a := &e.cells[e.of[i][0]]
	before := a.play.Left
	if err := a.play.Take(e.of[i][1], r); err != nil {
		return err
	}
	e.done += before - a.play.Left
	e.tell(e.done)
	if a.play.Left > 0 {
		return nil
	}
	a.found = newPlayed(&a.play.Cells[0], e.seed)
	return writeJSON(e.path, append(slices.Clone(e.others), e.played()...))
}

// played are the cells that are whole.
func (e *evaluation) played() (out []Played) {
	for _, a := range e.cells {
		if a.found != nil {
			out = append(out, *a.found)
		}
	}
	return out
}

func newPlayed(c *eval.Cell, seed uint64) *Played {
	out := &Played{Result: c.Result(), Strength: c.Perturb, Seed: seed, Outcomes: c.Outcomes()}
	for _, e := range c.Episodes {
		if e.Fault != nil {
			out.Faults++
		}
	}
	return out
}

// readPlayed reads the file of an evaluation; nothing when there is none.
func readPlayed(path string) (out []Played, err error) {
	text, err := regular.Read(path, regular.Records)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: delete it to evaluate again", path, err)
	}
	for i := range out {
		if len(out[i].Outcomes) != out[i].Episodes {
			return nil, fmt.Errorf("%s: %d outcomes of %d episodes: delete it to evaluate again", path, len(out[i].Outcomes),
				out[i].Episodes)
		}
	}
	return out, nil
}

// writeJSON replaces a file by a value.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(text, '\n'))
}

// Results are the sums of what was played, as tables and pictures of package eval take them.
func Results(played []Played) []eval.Result {
	out := make([]eval.Result, len(played))
	for i := range played {
		out[i] = played[i].Result
	}
	return out
}

// Compare pairs what every policy did with what the reference did in the same episodes of the same condition.
func Compare(played []Played, reference string) (out []eval.Comparison) {
	for i := range played {
		p := &played[i]
		for k := range played {
			r := &played[k]
			c := eval.Condition{
				Task: p.Task, Randomness: p.Randomness, Perturb: p.Strength, Sensing: p.Sensing,
				Physics: p.Physics,
			}
			if p.Policy == reference || !r.of(reference, c, p.Episodes, p.Seed) {
				continue
			}
			out = append(out, eval.Comparison{
				Task: p.Task, Randomness: p.Randomness, Perturbed: p.Perturbed, Sensing: p.Sensing, Physics: p.Physics,
				Policy: p.Policy, Reference: reference, Difference: eval.PairedDifference(p.Outcomes, r.Outcomes),
			})
		}
	}
	return out
}
