package imitation

import (
	"fmt"
	"math"

	"korr/basepolicy/diffusion"
	"korr/train/run"
)

// DiffusionConfig sets the training of a diffusion policy.
type DiffusionConfig struct {
	Steps       int     `json:"steps"`
	Batch       int     `json:"batch"` // frames per step
	LR          float64 `json:"lr"`    // after the warm-up
	WarmUp      int     `json:"warm_up"`
	WeightDecay float64 `json:"weight_decay"` // decoupled
	GradClip    float64 `json:"grad_clip"`    // on the norm of the gradient; 0 = none
	EMAPower    float64 `json:"ema_power"`    // of the averaged weights, see nn.EMA
	EMAMax      float64 `json:"ema_max"`

	Network diffusion.Config        `json:"network"` // obs_dim and act_dim follow from the data
	Process diffusion.Process       `json:"process"`
	Sampler diffusion.SamplerConfig `json:"sampler"`

	ValFraction float64 `json:"val_fraction"` // share of episodes held out, 0 for none
	Seed        uint64  `json:"seed"`
	Shards      int     `json:"shards"` // goroutines sharing a batch, at least 1
	Observed

	ReportEvery     int          `json:"-"` // steps between reports; the last step reports too
	CheckpointEvery int          `json:"-"` // steps between saved states
	Progress        func(Report) `json:"-"` // may be nil
	Run             *run.Folder  `json:"-"` // where the state is kept; nil for nowhere
	Resume          bool         `json:"-"` // go on from the state in Run, if there is one
}

// StateName is the checkpoint that a diffusion run resumes from.
const StateName = "state"

// Validate reports settings that cannot be trained with.
func (c DiffusionConfig) Validate() error {
	switch {
	case c.Steps < 1 || c.Batch < 1:
		return fmt.Errorf("imitation: steps %d and batch %d must be positive", c.Steps, c.Batch)
	case c.LR <= 0 || c.WeightDecay < 0 || c.WarmUp < 0 || c.GradClip < 0:
		return fmt.Errorf("imitation: lr %v must be positive, weight_decay %v, warm_up %d and grad_clip %v not negative", c.LR, c.WeightDecay, c.WarmUp, c.GradClip)
	case !(c.EMAPower > 0) || !(c.EMAMax >= 0 && c.EMAMax < 1):
		return fmt.Errorf("imitation: ema_power %v must be positive, ema_max %v in [0, 1)", c.EMAPower, c.EMAMax)
	case c.ValFraction < 0 || c.ValFraction >= 1:
		return fmt.Errorf("imitation: val_fraction %v is outside [0, 1)", c.ValFraction)
	case c.Shards < 1 || c.Shards > c.Batch:
		return fmt.Errorf("imitation: shards %d, want 1 to %d", c.Shards, c.Batch)
	}
	if err := c.Observed.validate(); err != nil {
		return err
	}
	if err := c.Process.Validate(); err != nil {
		return err
	}
	return c.Sampler.Validate(c.Process)
}

// rate is the learning rate of a step, counted from 0: a linear warm-up, then a
// cosine to zero.
func (c *DiffusionConfig) rate(step int) float64 {
	if step < c.WarmUp {
		return c.LR * float64(step+1) / float64(c.WarmUp)
	}
	return c.LR * (1 + math.Cos(math.Pi*float64(step-c.WarmUp)/float64(max(1, c.Steps-c.WarmUp)))) / 2
}
