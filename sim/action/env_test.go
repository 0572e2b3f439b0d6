package action_test

import (
	"errors"
	"math"
	"testing"

	"korr/sim"
	"korr/sim/action"
	"korr/sim/envtest"
	"korr/sim/expert"
	"korr/sim/mujoco"
)

func open(t *testing.T, maxSteps int) sim.Env {
	t.Helper()
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", MaxSteps: maxSteps})
	if errors.Is(err, sim.ErrNoEngine) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { env.Close() })
	return env
}

func form(t *testing.T, name string) action.Form {
	t.Helper()
	f, err := action.ParseForm(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestExpertInEveryForm: the expert, its actions written in each form, still assembles one_leg.
func TestExpertInEveryForm(t *testing.T) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range action.Names() {
		f := form(t, name)
		env := action.Wrap(open(t, 0), f)
		spec := env.Spec()
		if spec.ActDim != f.Dim() {
			t.Fatalf("%s: spec has %d elements, want %d", name, spec.ActDim, f.Dim())
		}
		x, err := expert.New(task, expert.Config{})
		if err != nil {
			t.Fatal(err)
		}
		obs, canonical, act := make([]float32, spec.ObsDim), make([]float32, sim.ActDim), make([]float32, spec.ActDim)
		if err := env.Reset(obs, 3); err != nil {
			t.Fatal(err)
		}
		x.Reset(3)
		for {
			if err := x.ActTo(canonical, obs); err != nil {
				t.Fatal(err)
			}
			f.EncodeTo(act, canonical, obs)
			r, err := env.Step(obs, act)
			if err != nil {
				t.Fatal(err)
			}
			if r.Terminated || r.Truncated {
				if !r.Success {
					t.Errorf("%s: the expert did not assemble the leg", name)
				}
				break
			}
		}
		x.Close()
	}
}

// asCanonical lets the contract's tests, which speak canonical actions, drive a wrapped environment.
type asCanonical struct {
	sim.Env
	f   action.Form
	obs []float32
	act []float32
}

func (e *asCanonical) Spec() sim.Spec {
	s := e.Env.Spec()
	s.ActDim = sim.ActDim
	return s
}

func (e *asCanonical) Reset(obs []float32, seed uint64) error {
	err := e.Env.Reset(obs, seed)
	copy(e.obs, obs)
	return err
}

func (e *asCanonical) Step(obs, act []float32) (sim.Result, error) {
	if sim.CheckAction(act) != nil {
		bad := []float32{float32(math.NaN())}
		return e.Env.Step(obs, append(bad, e.act[1:]...))
	}
	e.f.EncodeTo(e.act, act, e.obs)
	r, err := e.Env.Step(obs, e.act)
	copy(e.obs, obs)
	return r, err
}

func TestContract(t *testing.T) {
	for _, name := range action.Names() {
		f := form(t, name)
		t.Run(name, func(t *testing.T) {
			envtest.Check(t, func(t *testing.T, maxSteps int) sim.Env {
				env := action.Wrap(open(t, maxSteps), f)
				return &asCanonical{Env: env, f: f, obs: make([]float32, env.Spec().ObsDim), act: make([]float32, f.Dim())}
			})
		})
	}
}

// TestWrongLength: the canonical length is wrong for another form, and the environment says which it wants.
func TestWrongLength(t *testing.T) {
	env := action.Wrap(open(t, 0), form(t, "quat"))
	obs := make([]float32, env.Spec().ObsDim)
	if err := env.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := env.Step(obs, make([]float32, sim.ActDim)); !errors.Is(err, sim.ErrAction) {
		t.Errorf("error %v, want sim.ErrAction", err)
	}
	if _, err := env.Step(obs, make([]float32, 8)); !errors.Is(err, sim.ErrNotReset) {
		t.Errorf("after a bad action: error %v, want sim.ErrNotReset", err)
	}
}
