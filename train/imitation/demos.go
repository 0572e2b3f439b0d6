package imitation

import (
	"encoding/json"
	"fmt"
	"math"

	"korr/basepolicy"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
)

// demos are demonstrations ready to be learned from: normalizers fitted on the
// training episodes, and the frames of both parts.
type demos struct {
	obs, act *basepolicy.Normalizer
	read     *residual.Encoder
	train    *samples
	val      *samples // nil without held-out episodes
	origin   basepolicy.Origin
}

// observed is the width of what the policy reads, features that of its end.
func (m *demos) observed() int { return m.read.BaseDim() }
func (m *demos) features() int { return m.read.BaseDim() - m.read.ObsDim() }

// prepare splits and normalises d. The configuration goes into the policy's origin.
func prepare(d *dataset.Dataset, cfg *Config) (*demos, error) {
	train, val, err := split(d, cfg.Seed, cfg.ValFraction)
	if err != nil {
		return nil, err
	}
	poses := len(d.Info.PartNames)
	if cfg.Quaternions {
		poses = 0
	}
	m := &demos{}
	if m.obs, err = basepolicy.FitObsNormalizer(train.ObsRows(), d.Info.ObsDim(), poses, cfg.Floor); err != nil {
		return nil, fmt.Errorf("imitation: observations: %w", err)
	}
	if m.act, err = basepolicy.FitNormalizer(train.ActionRows(), sim.ActDim); err != nil {
		return nil, fmt.Errorf("imitation: actions: %w", err)
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("imitation: %w", err)
	}
	m.origin = basepolicy.Origin{
		Task: d.Info.Task, Dataset: d.Path, Simulator: simulators(d), Seed: cfg.Seed,
		Training: string(text),
	}
	var feats residual.Features
	if cfg.Features {
		task, err := sim.TaskByName(d.Info.Task)
		if err != nil {
			return nil, fmt.Errorf("imitation: base.features: %w", err)
		}
		feats = task.NewFeatures()
	}
	m.read = newReader(m.obs, m.act, feats)
	m.train = newSamples(train, m.read, cfg.Horizon, cfg.InputNoise)
	if len(val.Episodes) > 0 {
		m.val = newSamples(val, m.read, cfg.Horizon, 0)
	}
	return m, nil
}

// relate fits the scales of relative positions to the training frames, the root mean square of every step's, and makes
// the samples relative.
func (m *demos) relate(r *basepolicy.Relative) {
	s := m.train
	n := len(r.Scale) / layout.Vector
	x, y := make([]float32, s.obsDim), make([]float32, n*s.actDim)
	sum := make([]float64, len(r.Scale))
	s.relative = r
	noise := seed.Stream(0, "imitation/relate", 0)
	for t := range s.len() {
		s.gather(x, y, []int{t}, noise)
		for k := range sum {
			v := float64(y[k/layout.Vector*s.actDim+k%layout.Vector])
			sum[k] += v * v
		}
	}
	for k, v := range sum {
		r.Scale[k] = float32(max(leastScale, math.Sqrt(v/float64(s.len()))))
	}
	if m.val != nil {
		m.val.relative = r
	}
}

// leastScale keeps steps that hardly move from being blown up, in units of the normalised action.
const leastScale = 0.01
