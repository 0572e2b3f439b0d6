package imitation

import (
	"fmt"
	"time"

	"korr/basepolicy"
)

// NoiseTurn is how many rad of rotation noise go with a metre of position noise: trackers are off by about 0.01 rad where
// they are off by 1 mm.
const NoiseTurn = 10

// Observed says how a base policy reads observations.
type Observed struct {
	Quaternions bool              `json:"quaternions"` // read part rotations as quaternions, as published, instead of 6D
	Floors      basepolicy.Floors `json:"floors"`      // least extents that are stretched to [-1, 1]
	InputNoise  float64           `json:"input_noise"` // m, noise on the parts' positions while training, NoiseTurn times that on rotations
}

func (o Observed) validate() error {
	if !(o.InputNoise >= 0 && o.InputNoise <= 0.1) {
		return fmt.Errorf("imitation: input_noise %v m is outside [0, 0.1]", o.InputNoise)
	}
	return o.Floors.Validate()
}

// Config sets a training run.
type Config struct {
	Steps       int     `json:"steps"`
	Batch       int     `json:"batch"`        // frames per step
	LR          float64 `json:"lr"`           // at the first step
	WeightDecay float64 `json:"weight_decay"` // decoupled
	Horizon     int     `json:"horizon"`      // H, actions per chunk
	Hidden      []int   `json:"hidden"`
	ValFraction float64 `json:"val_fraction"` // share of episodes held out, 0 for none
	Observed
	Seed   uint64 `json:"seed"`
	Shards int    `json:"shards"` // goroutines sharing a batch, at least 1

	ReportEvery int          `json:"-"` // steps between reports; the last step reports too
	Progress    func(Report) `json:"-"` // may be nil
}

// DefaultConfig is the recipe that reached the published base rates: about 50
// demonstrations with 1 mm execution noise. Two shards took 0.6 of the time of
// one on two cores, with OpenBLAS and without.
func DefaultConfig() Config {
	return Config{
		Steps: 4000, Batch: 256, LR: 1e-3, WeightDecay: 1e-4, Horizon: 32, Hidden: []int{384, 384, 384},
		Observed: Observed{Floors: basepolicy.DefaultFloors()}, Shards: 2, ReportEvery: 100,
	}
}

// Validate reports settings that cannot be trained with.
func (c Config) Validate() error {
	switch {
	case c.Steps < 1 || c.Batch < 1 || c.Horizon < 1:
		return fmt.Errorf("imitation: steps %d, batch %d and horizon %d must be positive", c.Steps, c.Batch, c.Horizon)
	case c.LR <= 0 || c.WeightDecay < 0:
		return fmt.Errorf("imitation: lr %v must be positive, weight_decay %v not negative", c.LR, c.WeightDecay)
	case c.ValFraction < 0 || c.ValFraction >= 1:
		return fmt.Errorf("imitation: val_fraction %v is outside [0, 1)", c.ValFraction)
	case c.Shards < 1 || c.Shards > c.Batch:
		return fmt.Errorf("imitation: shards %d, want 1 to %d", c.Shards, c.Batch)
	}
	return c.Observed.validate()
}

// Report is the state of a run after a step.
type Report struct {
	Step    int           // steps done
	Loss    float64       // mean training loss since the previous report
	ValLoss float64       // on all held-out frames; 0 without held-out episodes
	ValL1   float64       // a diffusion policy's: mean error of drawn chunks on held-out frames
	LR      float64       // of the step
	Elapsed time.Duration // since training began
}
