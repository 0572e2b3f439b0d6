package action

import (
	"korr/sim"
)

// Env takes actions of a form and hands canonical ones to the environment it wraps.
type Env struct {
	env   sim.Env
	form  Form
	spec  sim.Spec
	state [9]float32 // the tool's pose at the newest observation
	act   [sim.ActDim]float32
	live  bool
}

// Wrap makes env take actions of the form and owns it from then on; env itself for the canonical form. What env reports
// as the tool's pose is where deltas start, so disturbances of the observation belong around this wrapper, not below
// it.
func Wrap(env sim.Env, f Form) sim.Env {
	if f == Canonical {
		return env
	}
	e := &Env{env: env, form: f, spec: env.Spec()}
	e.spec.ActDim = f.Dim()
	return e
}

// Spec is the wrapped environment's, with the form's ActDim.
func (e *Env) Spec() sim.Spec { return e.spec }

// Unwrap is the environment that takes canonical actions.
func (e *Env) Unwrap() sim.Env { return e.env }

// Reset starts the episode of the seed and writes the first observation (length ObsDim).
func (e *Env) Reset(obs []float32, seed uint64) error {
	err := e.env.Reset(obs, seed)
	if e.live = err == nil; e.live {
		copy(e.state[:], obs)
	}
	return err
}

// Step executes one action of the form (length ActDim). An action that is not finite or of the wrong length ends the
// episode with an error that wraps sim.ErrAction.
func (e *Env) Step(obs, act []float32) (sim.Result, error) {
	if err := e.form.Check(act); err != nil {
		e.live = false
		return sim.Result{}, err
	}
	if !e.live {
		return sim.Result{}, sim.ErrNotReset
	}
	e.form.DecodeTo(e.act[:], act, e.state[:])
	r, err := e.env.Step(obs, e.act[:])
	if e.live = err == nil; e.live {
		copy(e.state[:], obs)
	}
	return r, err
}

// Close closes the wrapped environment.
func (e *Env) Close() error { return e.env.Close() }
