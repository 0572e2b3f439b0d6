package episodes

import (
	"fmt"

	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
)

// Estimated shows what an estimator makes of an environment's observations, with the ages that the environment tells,
// instead of what the part tracker sent last: a trainer that plays in it sees what a policy behind the same estimator
// sees. Rewards, success and the end of an episode stay the simulator's, which knows the truth.
type Estimated struct {
	env  sim.Env
	est  residual.Estimator
	seen []float32 // [ObsDim] the newest observation of env
	ages []float32 // and their ages
	at   residual.When
}

// NewEstimated returns env behind est and owns env from then on.
func NewEstimated(env sim.Env, est residual.Estimator) *Estimated {
	s := env.Spec()
	return &Estimated{env: env, est: est, seen: make([]float32, s.ObsDim), ages: make([]float32, s.AgeDim())}
}

// Truth is the newest undisturbed observation (length ObsDim), where the environment tells it, and else what was seen;
// it is overwritten by the next step.
func (e *Estimated) Truth() []float32 {
	if t, ok := sim.As[interface{ Truth() []float32 }](e.env); ok {
		return t.Truth()
	}
	return e.seen
}

// told is the estimator of observations that come estimated: what it knows of the parts is what the environment's
// knows.
type told struct{ by *Estimated }

func (told) Reset() {}

func (told) EstimateTo(dst, obs []float32, _ residual.When, _ []float32) error {
	copy(dst, obs)
	return nil
}

func (t told) Parts() []filter.Estimate { return t.by.est.Parts() }

// Recorded is an episode's observations as an environment, so that sensors and estimators see them. It plays them
// whatever is done.
type Recorded struct {
	What sim.Spec
	Len  int
	At   func(obs []float32, t int) // writes the raw observation of step t
	t    int
}

// Spec is What.
func (r *Recorded) Spec() sim.Spec { return r.What }

// Reset shows the first observation.
func (r *Recorded) Reset(obs []float32, _ uint64) error {
	r.t = 0
	r.At(obs, 0)
	return nil
}

// Step shows the next one. After the last, the last is shown again.
func (r *Recorded) Step(obs, _ []float32) (sim.Result, error) {
	r.t = min(r.t+1, r.Len-1)
	r.At(obs, r.t)
	return sim.Result{Truncated: r.t == r.Len-1}, nil
}

// Close does nothing.
func (*Recorded) Close() error { return nil }

// Spec is the wrapped environment's.
func (e *Estimated) Spec() sim.Spec { return e.env.Spec() }

// Unwrap is the environment whose observations are those of the tracker.
func (e *Estimated) Unwrap() sim.Env { return e.env }

// AgesTo implements sim.Aged: an estimate is of now.
func (e *Estimated) AgesTo(dst []float32) { clear(dst) }

// Reset starts the episode of the seed and writes the first estimate (length ObsDim).
func (e *Estimated) Reset(obs []float32, episode uint64) error {
	if err := e.env.Reset(e.seen, episode); err != nil {
		return err
	}
	e.est.Reset()
	return e.estimateTo(obs, nil)
}

// Step executes one action and writes the estimate of what it led to.
func (e *Estimated) Step(obs, act []float32) (sim.Result, error) {
	r, err := e.env.Step(e.seen, act)
	if err != nil {
		return r, err
	}
	return r, e.estimateTo(obs, act)
}

func (e *Estimated) estimateTo(obs, act []float32) error {
	sim.AgesTo(e.ages, e.env)
	e.at.NextStep(e.ages)
	if err := e.est.EstimateTo(obs, e.seen, e.at, act); err != nil {
		return fmt.Errorf("estimate: %w", err)
	}
	return nil
}

// Close closes the wrapped environment.
func (e *Estimated) Close() error { return e.env.Close() }
