package koopman

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"korr/internal/nn"
	"korr/internal/setting"
)

// ErrConfig marks a Config that describes no model.
var ErrConfig = errors.New("koopman: bad config")

// Defaults of Config.
const (
	DefaultSpectralBound = 1.0
	DefaultLatentWeight  = 0.1
)

// Config describes a Model. Its JSON form is stored with the weights.
type Config struct {
	// ObsDim, ActDim and LatentDim are D, U and L: the widths of o, u and z.
	ObsDim    int   `json:"obs_dim"`
	ActDim    int   `json:"act_dim"`
	LatentDim int   `json:"latent_dim" yaml:"latent_dim"` // width of the latent state z
	Hidden    []int `json:"hidden" yaml:"hidden"`         // widths of phi's hidden layers
	// State, above 0, tells what o is: the first State coordinates of a longer observation, the robot's own state,
	// and the task's features; 0 = all of the observation. The model carries it for those who fill o.
	State int `json:"robot,omitempty"`
	// z = [o; phi(o)] rather than phi(o); latent_dim must exceed the observation's width
	StateInclusive bool `json:"state_inclusive" yaml:"state_inclusive"`
	// the gripper's command g, the last coordinate of u clamped to [-1, 1], switches the dynamics, z' = (A + g N) z +
	// B u: what a hand does to a part differs between open and shut, and is linear in either. 50 steps ahead a part's
	// error falls by a quarter. A published korr needs false
	Bilinear bool `json:"bilinear,omitempty" yaml:"bilinear"`
	// bound on the spectral radius of A, of A + N and A - N; negative = none, as published
	SpectralBound float64 `json:"spectral_bound" yaml:"spectral_bound"`
	// LatentWeight weighs phi's coordinates in the loss of the state-inclusive
	// lift: 0 means 0.1.
	LatentWeight float64 `json:"latent_weight"`
	// weight of a window's first predicted step among the others in the loss
	FirstWeight float64 `json:"first_weight,omitempty" yaml:"first_weight"`
}

// DefaultConfig is the model of the recipe that ships; the widths of observation and action are the data's.
func DefaultConfig() Config {
	return Config{
		LatentDim: 128, Hidden: []int{256, 256}, StateInclusive: true, Bilinear: true, SpectralBound: DefaultSpectralBound,
		LatentWeight: 0.3, FirstWeight: 5,
	}
}

// Validate reports the first setting that is out of range. Of a Config that is read from a checkpoint, 0 means for
// SpectralBound and FirstWeight 1, which New fills in.
func (c *Config) Validate() error {
	return setting.Check(
		"koopman",
		setting.Within("latent_dim", c.LatentDim, 1, maxDim),
		setting.Counts("hidden", c.Hidden, maxDim),
		setting.Rule{
			Key: "spectral_bound", OK: c.SpectralBound != 0 && c.SpectralBound*0 == 0,
			Want: fmt.Sprintf("is %v: use a positive bound, or a negative number for none", c.SpectralBound),
		},
		setting.Above("first_weight", c.FirstWeight, 0),
		setting.Above("latent_weight", c.LatentWeight, 0),
	)
}

// maxDim bounds every width, so that a damaged file cannot ask for terabytes.
const maxDim = 1 << 14

func (c Config) check() error {
	for _, d := range append([]int{c.ObsDim, c.ActDim, c.LatentDim}, c.Hidden...) {
		if d < 1 || d > maxDim {
			return fmt.Errorf("%w: width %d is not in 1..%d", ErrConfig, d, maxDim)
		}
	}
	if c.State < 0 || c.State > c.ObsDim {
		return fmt.Errorf("%w: %d coordinates of the robot's state among %d observed", ErrConfig, c.State, c.ObsDim)
	}
	if c.StateInclusive && c.LatentDim <= c.ObsDim {
		return fmt.Errorf("%w: a state-inclusive latent of %d does not exceed the observation's %d; raise latent_dim",
			ErrConfig, c.LatentDim, c.ObsDim)
	}
	if c.LatentWeight < 0 || c.FirstWeight < 0 || !(c.SpectralBound*0 == 0) {
		return fmt.Errorf("%w: latent_weight %g, first_weight %g, spectral_bound %g", ErrConfig, c.LatentWeight,
			c.FirstWeight, c.SpectralBound)
	}
	return nil
}

// Equation returns the model's dynamics, for people.
func (c Config) Equation() string {
	if c.Bilinear {
		return "z' = (A + g N) z + B u"
	}
	return "z' = A z + B u"
}

// raw is the number of latent coordinates that are the observation's own.
func (c Config) raw() int {
	if c.StateInclusive {
		return c.ObsDim
	}
	return 0
}

// Model is a lift and its linear dynamics. Reading is safe from several
// goroutines, each with its own Predictor or Tape, while nobody trains it; the
// model's own LiftTo and PredictTo share one scratch.
type Model struct {
	// Phi is the trained part of the lift, D -> L (L - D when state-inclusive).
	Phi *nn.MLP
	// A [L, L] and B [L, U] are the dynamics; N [L, L] that of a bilinear model, nil otherwise.
	A, B, N *nn.Param
	// Innovation is calibrated by Calibrate; nil before. Training does not move it.
	Innovation *Monitor

	cfg    Config
	params []*nn.Param
	own    *Predictor
}

// New returns a model with phi started at random (Kaiming; last layer
// orthogonal), A the identity, B and N zero. A nil rng leaves phi zero, for models
// about to be loaded. The error wraps ErrConfig.
func New(cfg Config, rng *rand.Rand) (*Model, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if cfg.SpectralBound == 0 {
		cfg.SpectralBound = DefaultSpectralBound
	}
	if cfg.LatentWeight == 0 {
		cfg.LatentWeight = DefaultLatentWeight
	}
	if cfg.FirstWeight == 0 {
		cfg.FirstWeight = 1
	}
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	phi := nn.MLPConfig{In: cfg.ObsDim, Hidden: cfg.Hidden, Out: cfg.LatentDim - cfg.raw(), LastStd: 1}
	l := cfg.LatentDim
	ab := nn.NewParams(nn.Param{Name: "A", Shape: []int{l, l}}, nn.Param{Name: "B", Shape: []int{l, cfg.ActDim}})
	m := &Model{Phi: nn.NewMLP(phi, rng), A: ab[0], B: ab[1], cfg: cfg}
	for i := range l {
		m.A.Data[i*l+i] = 1
	}
	if cfg.Bilinear {
		m.N = nn.NewParams(nn.Param{Name: "N", Shape: []int{l, l}})[0]
	}
	m.params = append(append(m.params, m.Phi.Params()...), m.dynamics()...)
	m.own = m.Predictor()
	return m, nil
}

// Config returns the model's description, defaults filled in.
func (m *Model) Config() Config {
	cfg := m.cfg
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	return cfg
}

// dynamics returns A, B and, of a bilinear model, N.
func (m *Model) dynamics() []*nn.Param {
	if m.N == nil {
		return []*nn.Param{m.A, m.B}
	}
	return []*nn.Param{m.A, m.B, m.N}
}

// gripper is the command g that switches a bilinear model, of an action u [U].
func gripper(u []float32) float32 { return max(-1, min(1, u[len(u)-1])) }

// Params returns phi's parameters, then A, B and N.
func (m *Model) Params() []*nn.Param { return m.params }

// Clone returns an independent model with the same weights.
func (m *Model) Clone() *Model {
	c, err := New(m.cfg, nil)
	if err != nil {
		panic(err) // m.cfg made m
	}
	nn.CopyParams(c.params, m.params)
	c.Innovation = m.Innovation
	return c
}

// LatentDim returns L.
func (m *Model) LatentDim() int { return m.cfg.LatentDim }

// LiftTo writes the lift of obs [D] into z [L]. See Predictor.LiftTo.
func (m *Model) LiftTo(z, obs []float32) { m.own.LiftTo(z, obs) }

// PredictTo writes z' into zNext [L]. See Predictor.PredictTo.
func (m *Model) PredictTo(zNext, z, u []float32) { m.own.PredictTo(zNext, z, u) }

// Predictor runs a model for single observations in scratch of its own. It
// reads the model's current weights and allocates nothing.
type Predictor struct {
	m   *Model
	phi *nn.Evaluator
	gz  []float32 // [L] g z of a bilinear model
}

// Predictor returns a new predictor of m, for use by one goroutine at a time.
func (m *Model) Predictor() *Predictor {
	return &Predictor{m: m, phi: m.Phi.Evaluator(), gz: make([]float32, m.cfg.LatentDim)}
}

// LatentDim returns L.
func (p *Predictor) LatentDim() int { return p.m.cfg.LatentDim }

// LiftTo writes the lift of obs [D] into z [L], which must not overlap obs. It
// panics when a slice is too short.
func (p *Predictor) LiftTo(z, obs []float32) {
	raw := p.m.cfg.raw()
	copy(z[:raw], obs[:raw])
	p.phi.ForwardTo(z[raw:p.m.cfg.LatentDim], obs)
}

// PredictTo writes A z + B u, of a bilinear model (A + g N) z + B u, into zNext
// [L], for z [L] and u [U]. zNext must overlap neither. It panics when a slice is
// too short.
func (p *Predictor) PredictTo(zNext, z, u []float32) {
	l, ud := p.m.cfg.LatentDim, p.m.cfg.ActDim
	zNext = zNext[:l]
	nn.MatVec(zNext, p.m.A.Data, z[:l], l, l, 0)
	nn.MatVec(zNext, p.m.B.Data, u[:ud], l, ud, 1)
	if p.m.N != nil {
		scaleTo(p.gz, gripper(u[:ud]), z)
		nn.MatVec(zNext, p.m.N.Data, p.gz, l, l, 1)
	}
}

// scaleTo writes g z into dst.
func scaleTo(dst []float32, g float32, z []float32) {
	for i := range dst {
		dst[i] = g * z[i]
	}
}
