package imitation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// StateName is the checkpoint that a diffusion run resumes from.
const StateName = "state"

// stateFormat marks the state of a diffusion run, in its metadata.
const stateFormat = "korr/imitation.State/1"

// save writes the state and the policy learned so far into the run folder.
func (t *denoising) save() error {
	if t.cfg.Run == nil {
		return nil
	}
	f := &tensorfile.File{}
	nn.SaveParams(f, "net.", t.net.Params())
	nn.SaveParams(f, "ema.", t.ema.Params)
	t.opt.SaveState(f, "optimiser.")
	config, err := json.Marshal(t.cfg)
	if err != nil {
		return fmt.Errorf("imitation: save the state: %w", err)
	}
	f.SetMeta("format", stateFormat)
	f.SetMeta("config", string(config))
	f.SetMeta("step", fmt.Sprint(t.step))
	if err := tensorfile.Write(t.cfg.Run.Checkpoint(StateName), f); err != nil {
		return fmt.Errorf("imitation: save the state: %w", err)
	}
	return nil
}

// resume restores the state in the run folder if that is wanted and there is one.
func (t *denoising) resume() error {
	if !t.cfg.Resume || t.cfg.Run == nil {
		return nil
	}
	path := t.cfg.Run.Checkpoint(StateName)
	f, err := tensorfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = t.restore(f)
	}
	if err != nil {
		return fmt.Errorf("imitation: resume from %s: %w", path, err)
	}
	return nil
}

func (t *denoising) restore(f *tensorfile.File) error {
	if got := f.Meta["format"]; got != stateFormat {
		return fmt.Errorf("format is %q, want %q: not a training state", got, stateFormat)
	}
	config, err := json.Marshal(t.cfg)
	if err != nil {
		return err
	}
	if got := f.Meta["config"]; got != string(config) {
		return fmt.Errorf("the run was started with other settings, which cannot change on the way:\n saved %s\n given %s",
			got, config)
	}
	step := 0
	if _, err := fmt.Sscan(f.Meta["step"], &step); err != nil || step < 0 || step > t.cfg.Steps {
		return fmt.Errorf("metadata %q is %q, want a step up to %d", "step", f.Meta["step"], t.cfg.Steps)
	}
	if err := nn.LoadParams(f, "ema.", t.ema.Params); err != nil {
		return err
	}
	if err := nn.LoadParams(f, "net.", t.net.Params()); err != nil {
		return err
	}
	if err := t.opt.LoadState(f, "optimiser."); err != nil {
		return err
	}
	t.step, t.ema.Steps = step, step
	return nil
}
