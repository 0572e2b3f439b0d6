package imitation

import (
	"encoding/json"
	"fmt"

	"korr/basepolicy"
	"korr/sim"
	"korr/train/dataset"
)

// demos are demonstrations ready to be learned from: normalizers fitted on the
// training episodes, and the frames of both parts.
type demos struct {
	obs, act *basepolicy.Normalizer
	train    *samples
	val      *samples // nil without held-out episodes
	origin   basepolicy.Origin
}

// prepare splits and normalises d. training is the configuration that goes into
// the policy's origin.
func prepare(d *dataset.Dataset, seed uint64, valFraction float64, horizon int, in Observed, training any) (*demos, error) {
	train, val, err := split(d, seed, valFraction)
	if err != nil {
		return nil, err
	}
	poses := len(d.Info.PartNames)
	if in.Quaternions {
		poses = 0
	}
	m := &demos{}
	if m.obs, err = basepolicy.FitObsNormalizer(train.ObsRows(), d.Info.ObsDim(), poses, in.Floors); err != nil {
		return nil, fmt.Errorf("imitation: observations: %w", err)
	}
	if m.act, err = basepolicy.FitNormalizer(train.ActionRows(), sim.ActDim); err != nil {
		return nil, fmt.Errorf("imitation: actions: %w", err)
	}
	text, err := json.Marshal(training)
	if err != nil {
		return nil, fmt.Errorf("imitation: %w", err)
	}
	m.origin = basepolicy.Origin{Task: d.Info.Task, Dataset: d.Path, Simulator: simulators(d), Seed: seed, Training: string(text)}
	m.train = newSamples(train, m.obs, m.act, horizon)
	m.train.noise(train, m.obs, len(d.Info.PartNames), in.InputNoise)
	if len(val.Episodes) > 0 {
		m.val = newSamples(val, m.obs, m.act, horizon)
	}
	return m, nil
}
