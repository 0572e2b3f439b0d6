//go:build mujoco

package mujoco

import (
	"testing"

	"korr/sim"
	"korr/sim/expert"
)

// goOn plays a fresh expert from the environment's present state to the episode's end.
func goOn(t *testing.T, e *Env, obs []float32) bool {
	t.Helper()
	x, err := expert.New(e.task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	x.Reset(1)
	act := make([]float32, sim.ActDim)
	for {
		if err := x.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		r, err := e.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		if r.Terminated || r.Truncated {
			return r.Success
		}
	}
}

// TestPlacingExpertsGoOn: an expert of a placed part that takes over in the middle of an episode finishes it: with an
// empty hand, with the part in the hand, above its place and on the way in.
func TestPlacingExpertsGoOn(t *testing.T) {
	for name, at := range map[string][]int{"peg_hole": {10, 30, 45, 60}, "mug_rack": {20, 50, 80, 100, 115}} {
		for _, step := range at {
			e := open(t, Config{Task: name, Randomness: sim.Med, MaxSteps: 600})
			obs := make([]float32, e.spec.ObsDim)
			_, x := assemble(t, e, obs, 3, func(i int) bool { return i == step })
			x.Close()
			if !goOn(t, e, obs) {
				t.Errorf("%s: taken over at step %d, not solved", name, step)
			}
		}
	}
}
