package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/train/eval"
	"korr/train/run"
	"korr/train/unit"
)

// Config says what is compared.
type Config struct {
	Dir        string // of the run folders, NAME-SEED, and of table.txt
	Variants   []Variant
	Seeds      []uint64 // of the trainings
	Reference  string   // name of the variant that the others are compared with
	Conditions []eval.Condition
	Episodes   int // of each condition
	EvalSeed   uint64
	// Timeless leaves the wall times out of the tables: what remains of equal sweeps is equal to the last byte.
	Timeless bool

	// Prepare checks the settings of a variant and a training seed.
	Prepare func(v Variant, seed uint64) (Training, error)
	// Executor does the cells, units of Kind, by Handler.
	Executor unit.Executor
	// Finished is told about every finished training.
	Finished func(c *Cell, done, of int)
}

// Training is what a sweep knows of a training before it is done.
type Training struct {
	Steps  int         // its length in environment steps
	Inputs unit.Inputs // files that it and the evaluation read
}

// Schema names the JSON form of a Report.
const Schema = "korr.sweep/1"

// Report is every training and what its policy did.
type Report struct {
	Schema string `json:"schema"` // Schema
	Cells  []Cell `json:"cells"`
	config *Config
}

// Run trains and plays what was not trained and played before, and keeps the table of what is finished in the file
// table.txt. The cells of the report are in the order of the seeds, and of the variants within a seed, in whatever
// order the executor finishes them. With an error of the executor, or of ctx, comes the report of what is finished.
func Run(ctx context.Context, c Config) (*Report, error) {
	s := &sweep{Config: &c}
	for _, seed := range c.Seeds {
		for _, v := range c.Variants {
			if err := s.plan(v, seed); err != nil {
				return nil, fmt.Errorf("sweep: %s: %w", title(v, seed), err)
			}
		}
	}
	for i, cell := range s.cells {
		if !slices.Contains(s.at, i) {
			s.finished(cell)
		}
	}
	if s.done > 0 {
		if err := s.keep(); err != nil {
			return nil, err
		}
	}
	if len(s.job.Units) > 0 {
		s.job.Name = "sweep " + c.Dir
		if err := c.Executor.Do(ctx, &s.job, s.take); err != nil {
			return s.report(), fmt.Errorf("sweep: %w", err)
		}
	}
	return s.report(), nil
}

func title(v Variant, seed uint64) string { return fmt.Sprintf("%s, seed %d", v.Name, seed) }

// sweep is one under way.
type sweep struct {
	*Config
	cells []*Cell // all, in the order of the report
	ready []bool  // of cells
	job   unit.Job
	at    []int // index in cells of every unit of the job
	done  int
}

// plan adds a cell, and a unit for what of it was not done before.
func (s *sweep) plan(v Variant, seed uint64) error {
	dir := s.dir(v.Name, seed)
	training, err := s.Prepare(v, seed)
	if err != nil {
		return err
	}
	want := Cell{Variant: v.Name, Settings: v.Settings, Seed: seed, Steps: training.Steps, EvalSeed: s.EvalSeed}
	cell, err := readCell(filepath.Join(dir, cellName), want)
	if err != nil {
		return err
	}
	trained := cell != nil
	if !trained {
		cell = &want
	}
	spec := Spec{Settings: v.Settings, Seed: seed, Episodes: s.Episodes, EvalSeed: s.EvalSeed}
	for _, cond := range s.Conditions {
		if _, played := cell.result(cond, s.Episodes); !played {
			spec.Conditions = append(spec.Conditions, cond)
		}
	}
	s.cells, s.ready = append(s.cells, cell), append(s.ready, len(spec.Conditions) == 0)
	if len(spec.Conditions) == 0 {
		return nil
	}
	u := unit.Unit{Kind: Kind, Name: title(v, seed), Spec: unit.Encode(spec), Inputs: training.Inputs, Dir: dir}
	if u.Inputs == nil {
		u.Inputs = unit.Inputs{}
	}
	policy := filepath.Join(dir, filepath.FromSlash(policyOutput))
	switch there, err := exists(policy); {
	case err != nil:
		return err
	case there:
		if !trained {
			if cell.Seconds, err = trainedSeconds(dir); err != nil {
				return err
			}
		}
		u.Inputs[policyInput] = unit.Input{Path: policy}
	case trained:
		return usage.Errorf("%s is finished but for %d conditions, and its policy is gone: delete the folder to train again",
			dir, len(spec.Conditions))
	default:
		u.Outputs = outputs
		if u.Begun, err = exists(filepath.Join(dir, run.ConfigName)); err != nil {
			return err
		}
	}
	s.job.Units, s.at = append(s.job.Units, u), append(s.at, len(s.cells)-1)
	return nil
}

func (s *sweep) dir(variant string, seed uint64) string {
	return filepath.Join(s.Dir, fmt.Sprintf("%s-%d", variant, seed))
}

// take takes up what a unit of the job found.
func (s *sweep) take(i int, r *unit.Result) error {
	cell := s.cells[s.at[i]]
	var p played
	if err := json.Unmarshal(r.Value, &p); err != nil {
		return fmt.Errorf("%s: %w", s.job.Units[i].Name, err)
	}
	if p.Seconds > 0 {
		cell.Seconds = p.Seconds
	}
	cell.add(p.Results)
	text, err := json.MarshalIndent(cell, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(s.dir(cell.Variant, cell.Seed), cellName), append(text, '\n')); err != nil {
		return err
	}
	s.ready[s.at[i]] = true
	s.finished(cell)
	return s.keep()
}

func (s *sweep) finished(cell *Cell) {
	s.done++
	if s.Finished != nil {
		s.Finished(cell, s.done, len(s.cells))
	}
}

// report is of the cells that are finished.
func (s *sweep) report() *Report {
	r := &Report{Schema: Schema, config: s.Config}
	for i, cell := range s.cells {
		if s.ready[i] {
			r.Cells = append(r.Cells, *cell)
		}
	}
	return r
}

// keep writes table.txt.
func (s *sweep) keep() error {
	var text strings.Builder
	if err := s.report().WriteText(&text); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(s.Dir, "table.txt"), []byte(text.String()))
}

// cellName is the file of a Cell in its run folder.
const cellName = "cell.json"

// readCell reads a trained cell; nil when there is none. One of other settings is an error.
func readCell(path string, want Cell) (*Cell, error) {
	text, err := regular.Read(path, regular.Text)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c, err := parseCell(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: delete it to evaluate again", path, err)
	}
	if c.Steps != want.Steps || c.EvalSeed != want.EvalSeed || !slices.Equal(c.Settings, want.Settings) {
		return nil, usage.Errorf("%s is of other settings: choose another --out, or delete the folder", path)
	}
	return c, nil
}

// parseCell reads a cell's JSON.
func parseCell(text []byte) (*Cell, error) {
	c := &Cell{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, err
	}
	if c.Steps < 0 || c.Seconds < 0 {
		return nil, fmt.Errorf("a training of %d steps in %g s", c.Steps, c.Seconds)
	}
	return c, nil
}
