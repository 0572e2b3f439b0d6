package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"korr/train/eval"
	"korr/train/run"
	"korr/train/unit"
)

// Kind names the units of sweeps.
const Kind = "sweep-cell"

// Spec is what a unit of a sweep does: a training, and the evaluation of its policy.
type Spec struct {
	Settings   []string         `json:"settings"` // key=value of the variant
	Seed       uint64           `json:"seed"`     // of the training
	Conditions []eval.Condition `json:"conditions"`
	Episodes   int              `json:"episodes"` // of each condition
	EvalSeed   uint64           `json:"eval_seed"`
}

// Trial is one training and the evaluation of its policy.
type Trial interface {
	// Train makes the run in the folder, or with resume goes on with what is in it.
	Train(ctx context.Context, dir string, resume bool) error
	// Play plays the checkpoint's policy as the spec says.
	Play(ctx context.Context, checkpoint string, s *Spec) ([]eval.Cell, error)
}

// A unit's files: the policy is an input of one that was trained before, else an output.
const (
	policyInput  = "policy"
	policyOutput = run.CheckpointsDir + "/policy.safetensors"
)

var outputs = []string{run.ConfigName, run.MetricsName, policyOutput}

// played is the value of a unit.
type played struct {
	Seconds float64   `json:"seconds"` // see Cell; 0 when the policy was given
	Results []Outcome `json:"results"`
}

// Handler trains and plays cells. prepare resolves the settings of one. Training goes on from a checkpoint anywhere.
func Handler(prepare func(t *unit.Task, s *Spec) (Trial, error)) unit.Handler {
	return unit.Handler{
		Do: func(ctx context.Context, t *unit.Task) (any, error) {
			out, err := do(ctx, t, prepare)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
			return out, nil
		},
		Checkpoints: []string{
			run.CheckpointsDir + "/state.safetensors", run.MemberPrefix + "*/" + run.CheckpointsDir + "/state.safetensors",
			policyOutput,
		},
	}
}

func do(ctx context.Context, t *unit.Task, prepare func(t *unit.Task, s *Spec) (Trial, error)) (*played, error) {
	var s Spec
	if err := t.Decode(&s); err != nil {
		return nil, err
	}
	trial, err := prepare(t, &s)
	if err != nil {
		return nil, err
	}
	var out played
	checkpoint, err := t.Input(policyInput)
	if errors.Is(err, unit.ErrMissingInput) {
		checkpoint = filepath.Join(t.Dir, filepath.FromSlash(policyOutput))
		out.Seconds, err = trained(ctx, trial, t.Dir, checkpoint)
	}
	if err != nil {
		return nil, err
	}
	cells, err := trial.Play(ctx, checkpoint, &s)
	if err != nil {
		return nil, err
	}
	for i := range cells {
		out.Results = append(out.Results, Outcome{cells[i].Randomness, cells[i].Perturb, cells[i].Outcomes()})
	}
	return &out, nil
}

// trained trains unless the checkpoint is there, and tells how long that took, in seconds.
func trained(ctx context.Context, trial Trial, dir, checkpoint string) (seconds float64, err error) {
	there, err := exists(checkpoint)
	if err == nil && !there {
		var begun bool
		if begun, err = exists(filepath.Join(dir, run.ConfigName)); err == nil {
			err = trial.Train(ctx, dir, begun)
		}
	}
	if err != nil {
		return 0, err
	}
	return trainedSeconds(dir)
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// trainedSeconds is the wall time in the last line of a run's metrics.
func trainedSeconds(dir string) (float64, error) {
	f, err := run.Open(dir)
	if err != nil {
		return 0, err
	}
	records, err := f.Metrics()
	switch {
	case err != nil:
		return 0, err
	case len(records) == 0:
		return 0, fmt.Errorf("%s: no metrics beside the policy: delete the folder to train again", f.Dir())
	}
	return records[len(records)-1].WallS, nil
}
