package episodes

import (
	"fmt"

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
