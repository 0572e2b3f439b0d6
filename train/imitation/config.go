package imitation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"korr/basepolicy/carp"
	"korr/basepolicy/diffusion"
	"korr/internal/setting"
	"korr/train/run"
)

// The kinds of base policy.
const (
	ArchCloning     = "mlp-bc"
	ArchCARP        = "carp"
	diffusionPrefix = "diffusion-" // and the name of one of package diffusion's networks
)

// Archs lists the kinds of base policy.
func Archs() []string {
	return []string{
		ArchCloning, diffusionPrefix + diffusion.ArchMLP, diffusionPrefix + diffusion.ArchUNet, diffusionPrefix +
			diffusion.ArchTransformer,
		ArchCARP,
	}
}

// NoiseTurn is how many rad of rotation noise go with a metre of position noise: trackers are off by about 0.01 rad
// where they are off by 1 mm.
const NoiseTurn = 10

// largestFloor bounds the floors: nothing in the scene extends that far.
const largestFloor = 1000

// Observed says how a base policy reads observations.
type Observed struct {
	// read part rotations as quaternions, as published, instead of 6D
	Quaternions bool `json:"quaternions" yaml:"quaternions"`
	// least extent of a demonstrated position (m), rotation element, velocity (m/s, rad/s) and gripper width (m) that is
	// stretched to [-1, 1]: below, a tracker's noise would be loud. 0 = none
	Floor float64 `json:"floor" yaml:"floor"`
	// read the task's features after the observation: how parts stand to each other and to the tool
	Features bool `json:"features" yaml:"features"`
	// m, noise on the parts' positions while training, and 10 times as many rad on their rotations
	InputNoise float64 `json:"input_noise" yaml:"input_noise"`
}

// Config sets the training of a base policy. Fields without a key are for those who call the package.
type Config struct {
	Arch string `json:"arch" yaml:"arch"` // mlp-bc, diffusion-mlp, diffusion-unet, diffusion-transformer or carp
	// widths: of mlp-bc's hidden layers; of the equal blocks of diffusion-mlp, -transformer and carp; of diffusion-unet's
	// levels, published 256, 512, 1024. Empty = the arch's own
	Hidden      []int   `json:"hidden" yaml:"hidden"`
	Horizon     int     `json:"horizon" yaml:"horizon"`           // actions in a chunk
	Steps       int     `json:"steps" yaml:"steps"`               // optimiser steps; of carp, for tokeniser and transformer each
	Batch       int     `json:"batch" yaml:"batch"`               // frames in a mini-batch
	LR          float64 `json:"lr" yaml:"lr"`                     // learning rate; falls to 0 along a cosine
	ValFraction float64 `json:"val_fraction" yaml:"val_fraction"` // share of the episodes held out for a validation loss
	WeightDecay float64 `json:"weight_decay"`                     // of AdamW, decoupled
	Observed    `yaml:",inline"`

	// What only diffusion policies have.
	Process  diffusion.Process       `json:"process" yaml:",inline"`
	Network  diffusion.Config        `json:"network" yaml:",inline"` // its arch, obs_dim, act_dim and horizon follow
	Sampler  diffusion.SamplerConfig `json:"sampler"`                // that the policy is kept with
	WarmUp   int                     `json:"warm_up"`                // steps over which the learning rate rises from 0
	GradClip float64                 `json:"grad_clip"`              // on the norm of the gradient; 0 = none
	EMAPower float64                 `json:"ema_power"`              // of the averaged weights, see nn.EMA
	EMAMax   float64                 `json:"ema_max"`

	Seed   uint64 `json:"seed"`
	Shards int    `json:"shards"` // goroutines sharing a batch, at least 1

	ReportEvery     int          `json:"-"` // steps between reports; the last step reports too
	Progress        func(Report) `json:"-"` // may be nil
	CheckpointEvery int          `json:"-"` // of a diffusion policy: steps between saved states
	Run             *run.Folder  `json:"-"` // where its state is kept; nil for nowhere
	Resume          bool         `json:"-"` // go on from the state in Run, if there is one
}

// DefaultConfig is the recipe that ships: about 50 demonstrations with 1 mm execution noise. Two shards took 0.6 of the
// time of one on two cores, with OpenBLAS and without.
func DefaultConfig() Config {
	return Config{
		Arch: ArchCloning, Hidden: []int{}, Horizon: 32, Steps: 4000, Batch: 256, LR: 1e-3, WeightDecay: 1e-4,
		Observed: Observed{Floor: 0.1, Features: true, InputNoise: 0.0005},
		Process:  diffusion.DefaultProcess(), Sampler: diffusion.DefaultSampler(),
		Network: diffusion.Config{StepDim: 128, Kernel: 5, Groups: 8, Heads: 4},
		WarmUp:  500, GradClip: 1, EMAPower: 0.75, EMAMax: 0.9999,
		Seed: 1, Shards: 2, ReportEvery: 100, CheckpointEvery: 1000,
	}
}

// Diffusion reports whether the policy denoises.
func (c *Config) Diffusion() bool { return strings.HasPrefix(c.Arch, diffusionPrefix) }

// Widths are those of Hidden, or the arch's own.
func (c *Config) Widths() []int {
	switch {
	case len(c.Hidden) > 0:
		return c.Hidden
	case c.Arch == diffusionPrefix+diffusion.ArchUNet:
		return []int{64, 128, 256}
	case c.Diffusion():
		return []int{512, 512, 512}
	case c.Arch == ArchCARP:
		return slices.Repeat([]int{64}, 8)
	}
	return []int{384, 384, 384}
}

// carp describes CARP's networks, all but the widths that follow from the data: as many heads as blocks, and scales of
// 1 to a quarter of the horizon.
func (c *Config) carp() carp.Config {
	n := carp.Published()
	n.Horizon, n.Embed, n.Depth, n.Heads = c.Horizon, c.Widths()[0], len(c.Widths()), len(c.Widths())
	n.Scales = nil
	for s := range c.Horizon / 4 {
		n.Scales = append(n.Scales, s+1)
	}
	return n
}

// validateCARP reports what CARP cannot be trained with.
func (c *Config) validateCARP() error {
	w := c.Widths()
	return setting.Check(
		"imitation",
		setting.Rule{
			Key: "horizon", OK: c.Horizon%4 == 0 && c.Horizon <= 32,
			Want: fmt.Sprintf("is %d, must be a multiple of 4 up to 32 for carp; published 16", c.Horizon),
		},
		setting.Rule{
			Key: "hidden", OK: slices.Min(w) == slices.Max(w) && w[0]%len(w) == 0,
			Want: fmt.Sprintf("is %v, must be equal widths for carp, a multiple of their number, which is that of the heads", w),
		},
		setting.AtLeast("warm_up", c.WarmUp, 0),
	)
}

// network describes the network of a diffusion policy with what its kind has, all but the widths that follow from the
// data.
func (c *Config) network() diffusion.Config {
	n := diffusion.Config{
		Arch: strings.TrimPrefix(c.Arch, diffusionPrefix), Horizon: c.Horizon,
		StepDim: c.Network.StepDim,
	}
	switch n.Arch {
	case diffusion.ArchUNet:
		n.DownDims, n.Kernel, n.Groups = c.Widths(), c.Network.Kernel, c.Network.Groups
	case diffusion.ArchTransformer:
		n.Heads = c.Network.Heads
		fallthrough
	default:
		n.Width, n.Blocks = c.Widths()[0], len(c.Widths())
	}
	return n
}

// Validate reports the first setting that cannot be trained with.
func (c *Config) Validate() error {
	err := setting.Check(
		"imitation",
		setting.OneOf("arch", c.Arch, Archs()...),
		setting.Widths("hidden", c.Widths()),
		setting.AtLeast("horizon", c.Horizon, 1),
		setting.AtLeast("steps", c.Steps, 1),
		setting.AtLeast("batch", c.Batch, 1),
		setting.Above("lr", c.LR, 0),
		setting.Within("val_fraction", c.ValFraction, 0, 0.9),
		setting.Within("floor", c.Floor, 0, largestFloor),
		setting.Within("input_noise", c.InputNoise, 0, 0.1),
		setting.AtLeast("weight_decay", c.WeightDecay, 0),
		setting.Within("shards", c.Shards, 1, c.Batch),
	)
	if err == nil && c.Arch == ArchCARP {
		return c.validateCARP()
	}
	if err != nil || !c.Diffusion() {
		return err
	}
	err = setting.Check(
		"imitation",
		setting.OneOf("prediction", c.Process.Prediction, diffusion.PredictNoise, diffusion.PredictChunk,
			diffusion.PredictVelocity),
		setting.Rule{
			Key: "hidden", OK: c.network().DownDims != nil || slices.Min(c.Widths()) == slices.Max(c.Widths()),
			Want: fmt.Sprintf("is %v, must be equal widths for %s", c.Widths(), c.Arch),
		},
		setting.AtLeast("warm_up", c.WarmUp, 0),
		setting.AtLeast("grad_clip", c.GradClip, 0),
		setting.Above("ema_power", c.EMAPower, 0),
		setting.FromBelow("ema_max", c.EMAMax, 0, 1),
	)
	if err != nil {
		return err
	}
	if err := c.Process.Validate(); err != nil {
		return err
	}
	return c.Sampler.Validate(c.Process)
}

// warmCosine is the learning rate of a step, counted from 0: a linear warm-up, then a cosine to zero.
func (c *Config) warmCosine(step int) float64 {
	if step < c.WarmUp {
		return c.LR * float64(step+1) / float64(c.WarmUp)
	}
	return c.LR * (1 + math.Cos(math.Pi*float64(step-c.WarmUp)/float64(max(1, c.Steps-c.WarmUp)))) / 2
}

// Report is the state of a run after a step.
type Report struct {
	Step    int     // steps done
	Loss    float64 // mean training loss since the previous report
	ValLoss float64 // on all held-out frames; 0 without held-out episodes
	ValL1   float64 // mean error of drawn chunks on held-out frames, of a diffusion policy and of carp
	// of carp's tokeniser: root mean square error of a position's coordinate in rebuilt chunks, m
	TokenRMSE float64
	LR        float64       // of the step
	Elapsed   time.Duration // since training began
}
