package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"korr/internal/atomicfile"
	"korr/sim"
	"korr/train/eval"
	"korr/train/run"
	"korr/train/sweep"
	"korr/train/unit"
)

// PrepareTrial resolves the settings of a variant and a training seed; queued says that a worker elsewhere needs what
// they name of this machine.
func (l *Lab) PrepareTrial(v sweep.Variant, seed uint64, queued bool) (sweep.Training, error) {
	own, err := l.trial(v.Settings, seed)
	if err != nil {
		return sweep.Training{}, err
	}
	out := sweep.Training{Steps: own.Config.Residual.Steps}
	if !queued {
		return out, nil
	}
	if out.Inputs, err = unitInputs(l.Config, own.Config); err == nil && own.Config.Demos != "" {
		out.Inputs[fileInput+"demos"] = unit.Input{Path: own.Config.Demos}
	}
	return out, err
}

// Trial is a cell of a sweep under this laboratory's settings.
func (l *Lab) Trial(_ *unit.Task, s *sweep.Spec) (sweep.Trial, error) {
	own, err := l.trial(s.Settings, s.Seed)
	if err != nil {
		return nil, err
	}
	return &trial{Lab: own}, nil
}

// trial is the laboratory of a variant and a training seed.
func (l *Lab) trial(variant []string, seed uint64) (*Lab, error) {
	own := *l
	own.From.Flags, own.From.Set = nil, append(slices.Clone(l.From.Set), trialSet(variant, seed)...)
	var err error
	own.Config, err = LoadFor(own.From, l.Config.Demos)
	return &own, err
}

// trialSet are the settings of a variant and a training seed.
func trialSet(variant []string, seed uint64) []string {
	return append(slices.Clone(variant), fmt.Sprintf("seed=%d", seed))
}

// trial is a training of a residual.
type trial struct {
	*Lab
	// plain are the settings as the run folder is to show them, in YAML, where those of the training name files of a
	// worker; nil where they do not.
	plain []byte
}

// Train implements sweep.Trial.
func (t *trial) Train(ctx context.Context, dir string, resume bool) error {
	own := *t.Lab
	if resume { // the settings are those of the folder
		own.From.File, own.From.Preset = "", ""
	}
	if _, err := own.TrainResidual(ctx, Folder{Dir: dir, Resume: resume}, EngineNative); err != nil || t.plain == nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, run.ConfigName), t.plain)
}

// Play implements sweep.Trial.
func (t *trial) Play(ctx context.Context, checkpoint string, s *sweep.Spec) ([]eval.Cell, error) {
	p, err := t.LoadPolicy(checkpoint)
	if err != nil {
		return nil, err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	told := t.begin("play "+string(p.Method), "episodes", 1)
	cells, err := eval.Evaluate(ctx, eval.Spec{
		Conditions: s.Conditions, Episodes: s.Episodes, Seed: s.EvalSeed, Workers: t.Workers(),
		Open: eval.InProcess(t.Env), Progress: told.SetOf,
		Policies: []eval.Policy{{Name: string(p.Method), New: func() (sim.Policy, error) {
			return p.NewController(task.NewFeatures())
		}}},
	})
	if err == nil {
		told.Finish(fmt.Sprintf("%d episodes", len(s.Conditions)*s.Episodes))
	}
	return cells, err
}
