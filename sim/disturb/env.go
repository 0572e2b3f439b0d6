package disturb

import (
	"fmt"
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
)

// The streams of an episode.
const (
	purpose      = "sim/disturb"
	robotNoise   = 0
	partNoise    = 1
	robotDropout = 2
	partDropout  = 3
	streams      = 4
)

// Env shows disturbed observations of the environment it wraps.
type Env struct {
	env   sim.Env
	cfg   Config
	dim   int
	truth []float32 // the newest observation of env
	shown []float32 // what was shown last
	past  []float32 // measurements, a ring of depth rows of dim
	depth int
	step  int // control steps since the reset
	rng   [streams]*rand.Rand
	pcg   [streams]*rand.PCG
}

// Wrap disturbs the observations of env and owns it from then on; env itself when nothing is disturbed.
func Wrap(env sim.Env, cfg Config) (sim.Env, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if !cfg.On() {
		return env, nil
	}
	d := env.Spec().ObsDim
	e := &Env{env: env, cfg: cfg, dim: d, truth: make([]float32, d), shown: make([]float32, d), depth: 1 + max(cfg.Robot.Delay, cfg.Parts.Delay)}
	e.past = make([]float32, e.depth*d)
	for i := range e.rng {
		e.pcg[i] = rand.NewPCG(0, 0)
		e.rng[i] = rand.New(e.pcg[i])
	}
	return e, nil
}

// Spec is the wrapped environment's.
func (e *Env) Spec() sim.Spec { return e.env.Spec() }

// Unwrap is the environment whose observations are true.
func (e *Env) Unwrap() sim.Env { return e.env }

// Truth is the newest undisturbed observation (length ObsDim); it is overwritten by the next step.
func (e *Env) Truth() []float32 { return e.truth }

// Reset starts the episode of the seed and writes the first disturbed observation (length ObsDim).
func (e *Env) Reset(obs []float32, episode uint64) error {
	if err := e.check(obs); err != nil {
		return err
	}
	if err := e.env.Reset(e.truth, episode); err != nil {
		return err
	}
	for i, p := range e.pcg {
		p.Seed(seed.Hash(episode, purpose, uint64(2*i)), seed.Hash(episode, purpose, uint64(2*i+1)))
	}
	e.step = 0
	first := e.past[:e.dim]
	e.measure(first)
	for row := 1; row < e.depth; row++ {
		copy(e.past[row*e.dim:], first)
	}
	copy(e.shown, first)
	copy(obs, first)
	return nil
}

// Step executes one action and writes the disturbed observation.
func (e *Env) Step(obs, act []float32) (sim.Result, error) {
	if err := e.check(obs); err != nil {
		return sim.Result{}, err
	}
	r, err := e.env.Step(e.truth, act)
	if err != nil {
		return r, err
	}
	e.step++
	e.measure(e.row(0))
	e.arrive(0, sim.StateDim, e.cfg.Robot.Delay, e.cfg.Robot.Dropout, robotDropout)
	for at := sim.StateDim; at < e.dim; at += sim.PoseDim {
		e.arrive(at, at+sim.PoseDim, e.cfg.Parts.Delay, e.cfg.Parts.Dropout, partDropout)
	}
	copy(obs, e.shown)
	return r, nil
}

// Close closes the wrapped environment.
func (e *Env) Close() error { return e.env.Close() }

func (e *Env) check(obs []float32) error {
	if len(obs) != e.dim {
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), e.dim)
	}
	return nil
}

// row is the measurement of some control steps ago, at most the longest delay.
func (e *Env) row(ago int) []float32 {
	at := (e.step - ago + e.depth) % e.depth
	return e.past[at*e.dim : (at+1)*e.dim]
}

// arrive shows the elements from to to of the delayed measurement, unless they drop out.
func (e *Env) arrive(from, to, delay int, dropout float64, stream int) {
	if dropout > 0 && e.rng[stream].Float64() < dropout {
		return
	}
	copy(e.shown[from:to], e.row(delay)[from:to])
}

// measure writes the truth with noise.
func (e *Env) measure(dst []float32) {
	copy(dst, e.truth)
	if r := e.cfg.Robot; r.noisy() {
		rng := e.rng[robotNoise]
		p, q, v, w := normal(rng), normal(rng), normal(rng), normal(rng)
		add(dst[0:3], p, r.Position)
		if r.Rotation > 0 {
			geom.Rot6DTo(dst[3:9], geom.Rot6DAt(dst[3:9]).Quat().Mul(geom.RotVec(q.Scale(r.Rotation))))
		}
		add(dst[9:12], v, r.Velocity)
		add(dst[12:15], w, r.Spin)
		dst[15] = float32(float64(dst[15]) + r.Gripper*rng.NormFloat64())
	}
	p := e.cfg.Parts
	if !p.noisy() {
		return
	}
	for at := sim.StateDim; at < e.dim; at += sim.PoseDim {
		shift, turn := normal(e.rng[partNoise]), normal(e.rng[partNoise])
		add(dst[at:at+3], shift, p.Position)
		if p.Rotation > 0 {
			geom.QuatTo(dst[at+3:], geom.QuatAt(dst[at+3:]).Mul(geom.RotVec(turn.Scale(p.Rotation))))
		}
	}
}

// normal draws three standard normal numbers.
func normal(rng *rand.Rand) (v geom.Vec3) {
	for k := range v {
		v[k] = rng.NormFloat64()
	}
	return v
}

func add(dst []float32, n geom.Vec3, scale float64) {
	geom.VecTo(dst, geom.VecAt(dst).Add(n.Scale(scale)))
}
