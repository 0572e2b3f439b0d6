package disturb

import (
	"fmt"

	"korr/sim"
)

// Env shows the environment it wraps through a Sensor.
type Env struct {
	env    sim.Env
	sensor *Sensor
	truth  []float32 // the newest observation of env
	shown  []float32 // what was shown last
}

// Wrap disturbs the observations of env and owns it from then on; env itself when nothing is disturbed.
func Wrap(env sim.Env, cfg Config) (sim.Env, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if !cfg.On() {
		return env, nil
	}
	d := env.Spec().ObsDim
	sensor, err := NewSensor(cfg, d)
	if err != nil {
		return nil, err
	}
	return &Env{env: env, sensor: sensor, truth: make([]float32, d), shown: make([]float32, d)}, nil
}

// Spec is the wrapped environment's.
func (e *Env) Spec() sim.Spec { return e.env.Spec() }

// Unwrap is the environment whose observations are true.
func (e *Env) Unwrap() sim.Env { return e.env }

// Truth is the newest undisturbed observation (length ObsDim); it is overwritten by the next step.
func (e *Env) Truth() []float32 { return e.truth }

// Shown is the newest disturbed observation (length ObsDim); it is overwritten by the next step.
func (e *Env) Shown() []float32 { return e.shown }

// AgesTo implements sim.Aged.
func (e *Env) AgesTo(dst []float32) { e.sensor.AgesTo(dst) }

// Reset starts the episode of the seed and writes the first disturbed observation (length ObsDim).
func (e *Env) Reset(obs []float32, episode uint64) error {
	if err := e.check(obs); err != nil {
		return err
	}
	if err := e.env.Reset(e.truth, episode); err != nil {
		return err
	}
	e.sensor.Reset(e.shown, e.truth, episode)
	copy(obs, e.shown)
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
	e.sensor.Observe(e.shown, e.truth)
	copy(obs, e.shown)
	return r, nil
}

// Close closes the wrapped environment.
func (e *Env) Close() error { return e.env.Close() }

func (e *Env) check(obs []float32) error {
	if len(obs) != len(e.truth) {
		return fmt.Errorf("observation buffer has %d values, want %d", len(obs), len(e.truth))
	}
	return nil
}
