// Package envtest checks that an engine keeps the contract of sim.Env. Every engine's tests call Check.
package envtest

import (
	"errors"
	"math"
	"slices"
	"testing"

	"korr/internal/layout"
	"korr/sim"
)

// horizon is how many control steps the checks run.
const horizon = 25

// Check runs the contract's tests against environments made by open: shapes and units of the observation, determinism
// of a seed within and across environments, refusal of bad actions without loss of the environment, truncation at the
// limit, and no allocation per step. open(maxSteps) must honour maxSteps when it is positive.
func Check(t *testing.T, open func(t *testing.T, maxSteps int) sim.Env) {
	t.Helper()
	t.Run("observation", func(t *testing.T) { checkObservation(t, open(t, 0)) })
	t.Run("determinism", func(t *testing.T) { checkDeterminism(t, open(t, 0), open(t, 0)) })
	t.Run("bad action", func(t *testing.T) { checkBadAction(t, open(t, 0)) })
	t.Run("truncation", func(t *testing.T) { checkTruncation(t, open(t, 3)) })
	t.Run("allocation", func(t *testing.T) { checkAllocation(t, open(t, 0)) })
	t.Run("closed", func(t *testing.T) { checkClosed(t, open(t, 0)) })
}

func reset(t *testing.T, e sim.Env, seed uint64) []float32 {
	t.Helper()
	obs := make([]float32, e.Spec().ObsDim)
	if err := e.Reset(obs, seed); err != nil {
		t.Fatalf("Reset(%d): %v", seed, err)
	}
	return obs
}

// still is the action that keeps the tool where the observation says it is.
func still(obs []float32) []float32 {
	act := make([]float32, sim.ActDim)
	copy(act, obs[:layout.Tool])
	act[layout.Gripper] = -1
	return act
}

func checkObservation(t *testing.T, e sim.Env) {
	spec := e.Spec()
	if want := sim.StateDim + sim.PoseDim*len(spec.PartNames); spec.ObsDim != want || spec.ActDim != sim.ActDim {
		t.Fatalf("spec has %d observations and %d actions, want %d and %d", spec.ObsDim, spec.ActDim, want, sim.ActDim)
	}
	if spec.MaxSteps <= 0 || spec.ControlHz <= 0 || spec.Task == "" {
		t.Fatalf("spec is incomplete: %+v", spec)
	}
	obs := reset(t, e, 1)
	act := still(obs)
	for i := range horizon {
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
		for k, v := range obs {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("step %d: observation %d is %v", i, k, v)
			}
		}
		if n := norm(layout.Rotation.Of(obs)[:3]); math.Abs(n-1) > 1e-5 {
			t.Fatalf("step %d: first rotation row has length %v", i, n)
		}
		for p, name := range spec.PartNames {
			q := obs[sim.StateDim+sim.PoseDim*p+3 : sim.StateDim+sim.PoseDim*(p+1)]
			if n := norm(q); math.Abs(n-1) > 1e-5 || q[3] < 0 {
				t.Fatalf("step %d: quaternion of %s is %v (length %v): want unit length and w >= 0", i, name, q, n)
			}
		}
	}
}

func norm(v []float32) float64 {
	var s float64
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

// rollout drives the tool in a small circle and returns every observation.
func rollout(t *testing.T, e sim.Env, seed uint64) []float32 {
	t.Helper()
	obs := reset(t, e, seed)
	all := slices.Clone(obs)
	act := still(obs)
	x, y := act[0], act[1]
	for i := range horizon {
		a := float64(i) / 5
		act[0], act[1] = x+0.03*float32(math.Sin(a)), y+0.03*float32(1-math.Cos(a))
		act[layout.Gripper] = float32(1 - 2*(i/10%2))
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
		all = append(all, obs...)
	}
	return all
}

func checkDeterminism(t *testing.T, a, b sim.Env) {
	first := rollout(t, a, 7)
	if !slices.Equal(first, rollout(t, a, 7)) {
		t.Error("the same seed gave another episode in the same environment")
	}
	rollout(t, b, 99)
	if !slices.Equal(first, rollout(t, b, 7)) {
		t.Error("the same seed gave another episode in another environment")
	}
	if d := a.Spec().ObsDim; slices.Equal(first[:d], rollout(t, a, 8)[:d]) {
		t.Error("two seeds start with the same observation")
	}
}

func checkBadAction(t *testing.T, e sim.Env) {
	bad := map[string]func([]float32) []float32{
		"NaN":       func(a []float32) []float32 { a[4] = float32(math.NaN()); return a },
		"infinite":  func(a []float32) []float32 { a[0] = float32(math.Inf(1)); return a },
		"too short": func(a []float32) []float32 { return a[:len(a)-1] },
		"empty":     func([]float32) []float32 { return nil },
	}
	for name, spoil := range bad {
		obs := reset(t, e, 3)
		if _, err := e.Step(obs, spoil(still(obs))); !errors.Is(err, sim.ErrAction) {
			t.Errorf("%s action: error %v, want sim.ErrAction", name, err)
		}
		if _, err := e.Step(obs, still(obs)); !errors.Is(err, sim.ErrNotReset) {
			t.Errorf("step after a %s action: error %v, want sim.ErrNotReset", name, err)
		}
	}
	obs := reset(t, e, 3)
	act := still(obs)
	act[0], act[1], act[2] = 1e9, -1e9, 1e9
	for k := 3; k < 9; k++ {
		act[k] = 0
	}
	for range 5 {
		if _, err := e.Step(obs, act); err != nil {
			t.Fatalf("a huge, degenerate but finite action: %v", err)
		}
	}
}

func checkTruncation(t *testing.T, e sim.Env) {
	obs := reset(t, e, 5)
	act := still(obs)
	for i := 1; ; i++ {
		r, err := e.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		if r.Truncated != (i == 3) || r.Terminated || r.Success {
			t.Fatalf("step %d of 3: %+v", i, r)
		}
		if r.Truncated {
			break
		}
	}
	if _, err := e.Step(obs, act); !errors.Is(err, sim.ErrNotReset) {
		t.Errorf("step after truncation: error %v, want sim.ErrNotReset", err)
	}
}

func checkAllocation(t *testing.T, e sim.Env) {
	obs := reset(t, e, 2)
	act := still(obs)
	if n := testing.AllocsPerRun(horizon, func() {
		if _, err := e.Step(obs, act); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per step, want none", n)
	}
}

func checkClosed(t *testing.T, e sim.Env) {
	obs := reset(t, e, 2)
	if err := errors.Join(e.Close(), e.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := e.Reset(obs, 1); err == nil {
		t.Error("a closed environment was reset")
	}
	if _, err := e.Step(obs, still(obs)); err == nil {
		t.Error("a closed environment was stepped")
	}
}
