package residual

import (
	"errors"
	"fmt"
	"math"

	"korr/basepolicy"
	"korr/koopman"
	"korr/residual/shield"
)

// BasePolicy plans; chunks and queues stay inside. basepolicy.Queue is one. Implementations may also have
// Phase() float32 (the position in the chunk, in (0, 1]), Replan() (drop the rest of the chunk) and
// PlanTo(plan []float32) (the actions it means to take, from the last one on), which a foresight needs.
type BasePolicy interface {
	// Reset starts an episode.
	Reset(seed uint64)
	// ActTo writes the next normalised action for the normalised observation obs.
	ActTo(act, obs []float32) error
}

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
	Base      BasePolicy // of normalised actions
	Encoder   *Encoder   // of raw observations
	Predictor Predictor  // nil: no lifting, no innovation
	Head      Head       // nil: the base acts alone
	Latent    bool       // Head reads z' (published KORR), else x and what Tracker adds
	Tracker   *Tracker   // looks ahead with a model of its own, in Predictor's place; made for Encoder
	Estimator *Estimator // nil: what is observed is what is so
	Alpha     float32    // scale of the residual
	Squash    Squash     // of what Head gives
}

// Controller computes one action per control step (see the package comment).
type Controller struct {
	cfg       Config
	phase     func() float32
	replan    func()
	plan      func([]float32)
	prepare   func([]float32) (bool, error) // nil: always ready
	chunk     func() basepolicy.ChunkInfo
	track     *Tracker
	fold      *koopman.FoldedPredictor // nil: Head reads the prediction itself
	fallbacks uint64
	seed      uint64

	xo, x []float32 // encoded observation; the head's input unless it reads z'
	ub, r []float32 // base action, residual
	u     []float32 // executed action, normalised
	zb    []float32 // prediction with the base action
	est   []float32 // the raw observation with the estimated poses; empty without an estimator
	ages  []float32 // of the raw observation; empty: all fresh
}

// NewController returns a controller. It refuses a configuration that cannot work.
func NewController(cfg Config) (*Controller, error) {
	switch {
	case cfg.Base == nil || cfg.Encoder == nil:
		return nil, errors.New("residual: a controller needs a base policy and an encoder")
	case cfg.Predictor != nil && cfg.Tracker != nil:
		return nil, errors.New("residual: a tracker brings its own predictor")
	case cfg.Head != nil && cfg.Latent && cfg.Predictor == nil && cfg.Tracker == nil:
		return nil, errors.New("residual: a head that reads the predicted latent needs a predictor")
	case !(cfg.Alpha >= 0 && cfg.Alpha <= math.MaxFloat32):
		return nil, fmt.Errorf("residual: alpha = %g, want a number >= 0", cfg.Alpha)
	case cfg.Squash != Tanh && cfg.Squash != Linear:
		return nil, fmt.Errorf("residual: unknown squash %d", cfg.Squash)
	}
	u := cfg.Encoder.ActDim()
	if cfg.Tracker == nil {
		cfg.Tracker = newTracker(cfg.Encoder, cfg.Predictor)
	}
	c := &Controller{
		cfg: cfg, track: cfg.Tracker,
		xo: make([]float32, cfg.Encoder.Dim()),
		ub: make([]float32, u), r: make([]float32, u), u: make([]float32, u),
	}
	if cfg.Head != nil && !cfg.Latent {
		c.x = make([]float32, cfg.Encoder.ActorInputDim()+c.track.Dim())
	}
	c.zb = make([]float32, len(c.track.z))
	if cfg.Estimator != nil {
		c.est = make([]float32, cfg.Encoder.RawDim())
	}
	c.phase = func() float32 { return 0 }
	if p, ok := cfg.Base.(interface{ Phase() float32 }); ok {
		c.phase = p.Phase
	}
	if p, ok := cfg.Base.(interface{ PlanTo([]float32) }); ok {
		c.plan = p.PlanTo
	} else if len(c.track.Plan()) > 0 {
		return nil, errors.New("residual: a head that looks ahead needs a base policy that tells its plan")
	}
	c.chunk = func() basepolicy.ChunkInfo { return basepolicy.ChunkInfo{} }
	if p, ok := cfg.Base.(basepolicy.Reporter); ok {
		c.chunk = p.ChunkInfo
	}
	c.replan = func() { cfg.Base.Reset(c.seed) }
	if p, ok := cfg.Base.(interface{ Replan() }); ok {
		c.replan = p.Replan
	}
	return c, nil
}

// Encoder returns the controller's encoder.
func (c *Controller) Encoder() *Encoder { return c.cfg.Encoder }

// Reset starts an episode: the base policy is reset with seed and no prediction is left over.
func (c *Controller) Reset(seed uint64) {
	c.seed = seed
	c.cfg.Base.Reset(seed)
	c.track.Reset()
	c.ages = c.ages[:0]
	if c.cfg.Estimator != nil {
		c.cfg.Estimator.Reset()
	}
}

// ReadAges tells how old the next observation is, in control steps: the arm's state, then every part's pose. It lasts until
// the next call or Reset; without it everything counts as fresh.
func (c *Controller) ReadAges(ages []float32) { c.ages = append(c.ages[:0], ages...) }

// Replan drops the base policy's chunk (a base without Replan is reset) and the prediction, because what
// happens next did not follow from the last action.
func (c *Controller) Replan() {
	c.replan()
	c.track.Reset()
}

// Fallbacks is how many ticks since NewController had a residual that was not finite.
func (c *Controller) Fallbacks() uint64 { return c.fallbacks }

// ActTo is StepTo without the Info.
func (c *Controller) ActTo(act, obsRaw []float32) error {
	_, err := c.StepTo(act, obsRaw)
	return err
}

// StepTo writes the raw action [ActDim] for the raw observation [RawDim]. On an error act must not be
// used; the error is the base policy's, or a shield.NotFiniteError for the "observation", the
// "base action" or, where finite numbers overflow, the "action".
func (c *Controller) StepTo(act, obsRaw []float32) (Info, error) {
	enc := c.cfg.Encoder
	act, obsRaw = act[:enc.ActDim()], obsRaw[:enc.RawDim()]
	if err := shield.CheckFinite("observation", obsRaw); err != nil {
		c.track.Reset()
		return Info{}, fmt.Errorf("residual: %w", err)
	}
	if e := c.cfg.Estimator; e != nil {
		e.ObserveTo(c.est, obsRaw, c.ages)
		obsRaw = c.est
	}
	enc.EncodeTo(c.xo, obsRaw)
	var info Info
	seen := c.track.Observe(c.xo)
	info.Innovation, info.Innovated, info.Surprise = seen.Innovation, seen.Innovated, seen.Surprise
	if err := c.cfg.Base.ActTo(c.ub, c.xo[:enc.BaseDim()]); err != nil {
		return Info{}, fmt.Errorf("residual: base policy: %w", err)
	}
	if err := shield.CheckFinite("base action", c.ub); err != nil {
		return Info{}, fmt.Errorf("residual: %w", err)
	}
	info.Base, info.Residual, info.Phase, info.Chunk = c.ub, c.r, c.phase(), c.chunk()
	if p := c.track.model; p != nil {
		info.Latent = c.track.z
		if c.fold == nil {
			p.PredictTo(c.zb, c.track.z, c.ub)
			info.Predicted = c.zb
		}
	}
	info.FellBack = !c.correct(obsRaw, info.Phase)
	if info.FellBack {
		c.fallbacks++
	}
	for i, r := range c.r {
		c.u[i] = c.ub[i] + c.cfg.Alpha*r
	}
	enc.DenormalizeActionTo(act, c.u)
	if err := shield.CheckFinite("action", act); err != nil {
		return Info{}, fmt.Errorf("residual: %w", err)
	}
	c.track.Executed(act)
	if e := c.cfg.Estimator; e != nil {
		e.Executed(act)
	}
	return info, nil
}

// correct computes r, zeros without a head. When the head's input or output is not finite (a ReLU may
// hide the former in the latter) r becomes zero and the answer is false.
func (c *Controller) correct(obsRaw []float32, phase float32) bool {
	if c.cfg.Head == nil {
		return true // r stays zero
	}
	if c.fold != nil {
		return c.bound(c.fold.HeadTo(c.r, c.ub))
	}
	in := c.zb
	if !c.cfg.Latent {
		c.cfg.Encoder.ActorInputTo(c.x, c.xo, c.ub, obsRaw, phase)
		if plan := c.track.Plan(); len(plan) > 0 {
			c.plan(plan)
			c.track.AheadTo(c.x[c.cfg.Encoder.ActorInputDim():], obsRaw)
		}
		in = c.x
	}
	c.cfg.Head.ForwardTo(c.r, in)
	return c.bound(shield.NotFinite(in) < 0)
}

// bound squashes r, or makes it zero and answers false when it or what it was computed from is not finite.
func (c *Controller) bound(finite bool) bool {
	if !finite || shield.NotFinite(c.r) >= 0 {
		clear(c.r)
		return false
	}
	if c.cfg.Squash == Tanh {
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
	if c.track.pending {
		c.track.Executed(cmdRaw)
		c.track.Settle()
	}
	if e := c.cfg.Estimator; e != nil {
		e.Executed(cmdRaw)
	}
}
