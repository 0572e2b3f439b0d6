package residual

import (
	"errors"
	"fmt"
	"math"

	"korr/basepolicy"
	"korr/koopman"
	"korr/residual/shield"
)

// Predictor is a linear model of a lifted observation. koopman's predictors are.
type Predictor interface {
	// LatentDim is L, the width of z.
	LatentDim() int
	// LiftTo writes z = phi(obs) [L] for an encoded observation.
	LiftTo(z, obs []float32)
	// PredictTo writes zNext = A z + B u.
	PredictTo(zNext, z, u []float32)
}

// Head is the residual network pi. nn.Evaluator is one.
type Head interface {
	// ForwardTo writes the network's output for the input x.
	ForwardTo(dst, x []float32)
}

// Squash is what bounds the residual.
type Squash int

const (
	// Tanh gives r = tanh(pi(.)), in [-1, 1]: how this project trains.
	Tanh Squash = iota
	// Linear gives r = pi(.), unbounded: the mean action of the published Gaussian policies.
	Linear
)

// Config wires a Controller.
type Config struct {
	Base      basepolicy.Planner // of normalised actions
	Encoder   *Encoder           // of raw observations
	Estimator Estimator          // of what to act on; nil: the observation
	Predictor Predictor          // nil: no lifting, no innovation
	Head      Head               // nil: the base acts alone
	Reads     Reads              // what Head reads
	Tracker   *Tracker           // looks ahead with a model of its own, in Predictor's place; made for Encoder
	Alpha     float32            // scale of the residual
	Squash    Squash             // of what Head gives
}

// Controller computes one action per control step: the Tick, with a trained network for its residual (see the package
// comment).
type Controller struct {
	*Tick
	head      Head
	reads     Reads
	alpha     float32
	squash    Squash
	fold      *koopman.FoldedPredictor // nil: Head reads the prediction itself
	fallbacks uint64

	x  []float32 // the head's input unless it reads z'
	r  []float32 // residual
	u  []float32 // executed action, normalised
	zb []float32 // prediction with the base action
}

// NewController returns a controller. It refuses a configuration that cannot work.
func NewController(cfg Config) (*Controller, error) {
	switch {
	case cfg.Base == nil || cfg.Encoder == nil:
		return nil, errors.New("residual: a controller needs a base policy and an encoder")
	case cfg.Predictor != nil && cfg.Tracker != nil:
		return nil, errors.New("residual: a tracker brings its own predictor")
	case cfg.Head != nil && cfg.Reads == ReadsLatent && cfg.Predictor == nil && cfg.Tracker == nil:
		return nil, errors.New("residual: a head that reads the predicted latent needs a predictor")
	case !(cfg.Alpha >= 0 && cfg.Alpha <= math.MaxFloat32):
		return nil, fmt.Errorf("residual: alpha = %g, want a number >= 0", cfg.Alpha)
	case cfg.Squash != Tanh && cfg.Squash != Linear:
		return nil, fmt.Errorf("residual: unknown squash %d", cfg.Squash)
	}
	if cfg.Tracker == nil {
		cfg.Tracker = newTracker(cfg.Encoder, cfg.Predictor)
	}
	tick, err := newTick(cfg.Encoder, cfg.Base, cfg.Tracker, cfg.Estimator)
	if err != nil {
		return nil, err
	}
	u := cfg.Encoder.ActDim()
	c := &Controller{
		Tick: tick, head: cfg.Head, reads: cfg.Reads, alpha: cfg.Alpha, squash: cfg.Squash,
		r: make([]float32, u), u: make([]float32, u), zb: make([]float32, len(cfg.Tracker.z)),
	}
	if cfg.Head != nil && cfg.Reads != ReadsLatent {
		c.x = make([]float32, tick.in.Width())
	}
	return c, nil
}

// Fallbacks is how many ticks since NewController had a residual that was not finite.
func (c *Controller) Fallbacks() uint64 { return c.fallbacks }

// ActTo is StepTo without the Info.
func (c *Controller) ActTo(act, obsRaw []float32) error {
	_, err := c.StepTo(act, obsRaw)
	return err
}

// ErrWidth says that an observation or an action is not as wide as the policy's.
var ErrWidth = errors.New("residual: not the width of this policy")

// StepTo writes the raw action [ActDim] for the raw observation [RawDim]. On an error act must not be
// used; the error is the base policy's, ErrWidth, or a shield.NotFiniteError for the "observation", the
// "base action" or, where finite numbers overflow, the "action".
func (c *Controller) StepTo(act, obsRaw []float32) (Info, error) {
	if len(obsRaw) != c.enc.RawDim() || len(act) < c.enc.ActDim() {
		return Info{}, fmt.Errorf("%w: an observation of %d values, want %d, and an action of %d, want %d", ErrWidth,
			len(obsRaw), c.enc.RawDim(), len(act), c.enc.ActDim())
	}
	act = act[:c.enc.ActDim()]
	seen, err := c.Observe(obsRaw)
	if err != nil {
		return Info{}, err
	}
	if err := c.Base(); err != nil {
		return Info{}, err
	}
	info := Info{
		Base: c.ub, Residual: c.r, Phase: c.phase, Chunk: c.base.ChunkInfo(),
		Innovation: seen.Innovation, Innovated: seen.Innovated, Surprise: seen.Surprise, Parts: c.Parts(),
	}
	if p := c.track.model; p != nil {
		info.Latent = c.track.z
		if c.fold == nil {
			p.PredictTo(c.zb, c.track.z, c.ub)
			info.Predicted = c.zb
		}
	}
	if info.FellBack = !c.correct(); info.FellBack {
		c.fallbacks++
	}
	c.ComposeTo(act, c.u, c.r, c.alpha)
	if err := shield.CheckFinite("action", act); err != nil {
		return Info{}, fmt.Errorf("residual: %w", err)
	}
	c.Tick.Executed(act)
	return info, nil
}

// correct computes r, zeros without a head. When the head's input or output is not finite (a ReLU may
// hide the former in the latter) r becomes zero and the answer is false.
func (c *Controller) correct() bool {
	switch {
	case c.head == nil:
		return true // r stays zero
	case c.fold != nil:
		return c.bound(c.fold.HeadTo(c.r, c.ub))
	}
	in := c.zb
	if c.reads != ReadsLatent {
		c.InputTo(c.x)
		in = c.x
	}
	c.head.ForwardTo(c.r, in)
	return c.bound(shield.NotFinite(in) < 0)
}

// bound squashes r, or makes it zero and answers false when it or what it was computed from is not finite.
func (c *Controller) bound(finite bool) bool {
	if !finite || shield.NotFinite(c.r) >= 0 {
		clear(c.r)
		return false
	}
	if c.squash == Tanh {
		for i, v := range c.r {
			c.r[i] = float32(math.Tanh(float64(v)))
		}
	}
	return true
}

// Executed tells the controller which raw command [ActDim] was sent after the last StepTo, and computes
// the prediction that the next observation is compared with. Without this call the action that StepTo
// returned counts as executed, and the next StepTo does the work.
func (c *Controller) Executed(cmdRaw []float32) {
	if c.track.pending || c.track.model == nil {
		c.Tick.Executed(cmdRaw)
		c.Settle()
	}
}
