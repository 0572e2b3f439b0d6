package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"korr/internal/atomicfile"
	"korr/internal/regular"
	"korr/internal/usage"
	"korr/train/eval"
	"korr/train/run"
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

	// Prepare resolves the settings of a variant and a training seed.
	Prepare func(v Variant, seed uint64) (Trial, error)
	// Finished is told about every finished training.
	Finished func(c *Cell, done, of int)
}

// Trial is one training and the evaluation of its policy.
type Trial interface {
	// Steps is the training's length in environment steps.
	Steps() int
	// Train makes the run in the folder, or with resume goes on with what is in it.
	Train(ctx context.Context, dir string, resume bool) error
	// Play plays the checkpoint's policy under the conditions.
	Play(ctx context.Context, checkpoint string, conditions []eval.Condition) ([]eval.Cell, error)
}

// Schema names the JSON form of a Report.
const Schema = "korr.sweep/1"

// Report is every training and what its policy did.
type Report struct {
	Schema string `json:"schema"` // Schema
	Cells  []Cell `json:"cells"`
	config *Config
}

// Run trains and plays what was not trained and played before, seed after seed, and keeps the table of what is finished in
// the file table.txt.
func Run(ctx context.Context, c Config) (*Report, error) {
	r := &Report{Schema: Schema, config: &c}
	for _, seed := range c.Seeds {
		for _, v := range c.Variants {
			cell, err := c.cell(ctx, v, seed)
			if err != nil {
				return nil, fmt.Errorf("sweep: %s, seed %d: %w", v.Name, seed, err)
			}
			r.Cells = append(r.Cells, *cell)
			if c.Finished != nil {
				c.Finished(cell, len(r.Cells), len(c.Seeds)*len(c.Variants))
			}
			var text strings.Builder
			if err := r.WriteText(&text); err != nil {
				return nil, err
			}
			if err := atomicfile.Write(filepath.Join(c.Dir, "table.txt"), []byte(text.String())); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// cell trains a cell and plays what came out, as far as that was not done before.
func (c *Config) cell(ctx context.Context, v Variant, seed uint64) (*Cell, error) {
	dir := filepath.Join(c.Dir, fmt.Sprintf("%s-%d", v.Name, seed))
	done := filepath.Join(dir, "cell.json")
	trial, err := c.Prepare(v, seed)
	if err != nil {
		return nil, err
	}
	want := Cell{Variant: v.Name, Settings: v.Settings, Seed: seed, Steps: trial.Steps(), EvalSeed: c.EvalSeed}
	cell, err := readCell(done, want)
	if err != nil {
		return nil, err
	}
	checkpoint := filepath.Join(dir, run.CheckpointsDir, "policy.safetensors")
	if cell == nil {
		if want.Seconds, err = trained(ctx, trial, dir, checkpoint); err != nil {
			return nil, err
		}
		cell = &want
	}
	var missing []eval.Condition
	for _, cond := range c.Conditions {
		if _, played := cell.result(cond, c.Episodes); !played {
			missing = append(missing, cond)
		}
	}
	if len(missing) == 0 {
		return cell, nil
	}
	played, err := trial.Play(ctx, checkpoint, missing)
	if err != nil {
		return nil, err
	}
	cell.add(played)
	text, err := json.MarshalIndent(cell, "", "  ")
	if err != nil {
		return nil, err
	}
	return cell, atomicfile.Write(done, append(text, '\n'))
}

// trained trains unless the checkpoint is there, and tells how long that took, in seconds.
func trained(ctx context.Context, trial Trial, dir, checkpoint string) (seconds float64, err error) {
	switch found, err := exists(checkpoint); {
	case err != nil:
		return 0, err
	case !found:
		begun, err := exists(filepath.Join(dir, run.ConfigName))
		if err != nil {
			return 0, err
		}
		if err := trial.Train(ctx, dir, begun); err != nil {
			return 0, err
		}
	}
	f, err := run.Open(dir)
	if err != nil {
		return 0, err
	}
	return trainedSeconds(f)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

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

// trainedSeconds is the wall time in the last line of a run's metrics.
func trainedSeconds(f *run.Folder) (float64, error) {
	records, err := f.Metrics()
	switch {
	case err != nil:
		return 0, err
	case len(records) == 0:
		return 0, fmt.Errorf("%s: no metrics beside the policy: delete the folder to train again", f.Dir())
	}
	return records[len(records)-1].WallS, nil
}
