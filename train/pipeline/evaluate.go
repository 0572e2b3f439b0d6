package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/train/eval"
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

// Evaluate plays what the spec asks for and the file at path does not hold yet, one policy under one condition at a time, and keeps
// each there at once. It returns all that was asked for, conditions outermost. s.Progress hears of all episodes.
func Evaluate(ctx context.Context, s eval.Spec, path string) ([]Played, error) {
	have, err := readPlayed(path)
	if err != nil {
		return nil, err
	}
	total, done := len(s.Conditions)*len(s.Policies)*s.Episodes, 0
	var out []Played
	for _, c := range s.Conditions {
		for _, p := range s.Policies {
			found := find(have, p.Name, c, s.Episodes, s.Seed)
			if found == nil {
				if found, err = play(ctx, s, c, p, func(n, _ int) {
					if s.Progress != nil {
						s.Progress(done+n, total)
					}
				}); err != nil {
					return nil, err
				}
				have = append(have, *found)
				if err := writeJSON(path, have); err != nil {
					return nil, err
				}
			}
			out = append(out, *found)
			if done += s.Episodes; s.Progress != nil {
				s.Progress(done, total)
			}
		}
	}
	return out, nil
}

func find(have []Played, policy string, c eval.Condition, episodes int, seed uint64) *Played {
	for i := range have {
		if have[i].of(policy, c, episodes, seed) {
			return &have[i]
		}
	}
	return nil
}

// play plays one policy under one condition.
func play(ctx context.Context, s eval.Spec, c eval.Condition, p eval.Policy, progress func(done, total int)) (*Played, error) {
	s.Conditions, s.Policies, s.Progress = []eval.Condition{c}, []eval.Policy{p}, progress
	cells, err := eval.Evaluate(ctx, s)
	if err != nil {
		return nil, err
	}
	out := &Played{Result: cells[0].Result(), Strength: c.Perturb, Seed: s.Seed, Outcomes: cells[0].Outcomes()}
	for _, e := range cells[0].Episodes {
		if e.Fault != nil {
			out.Faults++
		}
	}
	return out, nil
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
			return nil, fmt.Errorf("%s: %d outcomes of %d episodes: delete it to evaluate again", path, len(out[i].Outcomes), out[i].Episodes)
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
			c := eval.Condition{Task: p.Task, Randomness: p.Randomness, Perturb: p.Strength, Sensing: p.Sensing, Physics: p.Physics}
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
