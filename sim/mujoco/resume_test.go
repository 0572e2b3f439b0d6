//go:build mujoco

package mujoco

import (
	"slices"
	"testing"

	"korr/sim"
	"korr/sim/expert"
)

// TestExpertTakesOver: an expert that has not seen the episode so far brings it to its end, from all over it and after
// a part was let go of in mid-air.
func TestExpertTakesOver(t *testing.T) {
	for name, steps := range map[string][]int{
		"one_leg": {60, 34, 88, 141, 20, 45, 75, 130, 200}, "lamp": {100, 430, 45, 200, 400},
		"round_table":  {300, 60, 90, 180, 340},
		"square_table": {90, 500},
	} {
		if testing.Short() {
			steps = steps[:2]
		}
		for i, at := range steps {
			for _, drop := range []bool{false, true} {
				e := open(t, Config{Task: name, Randomness: sim.Low, MaxSteps: 4000})
				obs := make([]float32, e.spec.ObsDim)
				r, before := assemble(t, e, obs, uint64(100+i), func(step int) bool { return step == at })
				if before.Close(); r.Terminated {
					t.Fatalf("%s was solved before step %d", name, at)
				}
				act := make([]float32, sim.ActDim)
				copy(act, obs[:9])
				act[9] = -1
				for n := 0; drop && n < 12 && !r.Terminated; n++ {
					var err error
					if r, err = e.Step(obs, act); err != nil {
						t.Fatal(err)
					}
				}
				if !r.Terminated { // what was let go of may have fallen into its place
					r = finish(t, e, obs)
				}
				if !r.Success {
					t.Errorf("%s: taken over at step %d (let go: %t), not solved", name, at, drop)
				}
			}
		}
	}
}

// finish lets a fresh expert go on from obs to the end.
func finish(t *testing.T, e *Env, obs []float32) sim.Result {
	t.Helper()
	x, err := expert.New(e.task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
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
			return r
		}
	}
}

// TestSetPerturb: without pushes an episode goes on as one that never had any would from there.
func TestSetPerturb(t *testing.T) {
	a, b := open(t, Config{Perturb: 1}), open(t, Config{})
	obs, got := make([]float32, a.spec.ObsDim), make([]float32, a.spec.ObsDim)
	act := make([]float32, sim.ActDim)
	play := func(e *Env, obs []float32, n int) {
		for range n {
			copy(act, obs[:9])
			if _, err := e.Step(obs, act); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Reset(obs, 5); err != nil {
		t.Fatal(err)
	}
	play(a, obs, 40)
	snap, err := a.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	a.SetPerturb(0)
	if err := b.Restore(got, snap); err != nil {
		t.Fatal(err)
	}
	play(a, obs, 60)
	play(b, got, 60)
	if !slices.Equal(obs, got) {
		t.Error("the episode is not the one without pushes")
	}
	if err := a.Restore(got, snap); err != nil {
		t.Fatal(err)
	}
	a.SetPerturb(1)
	if play(a, got, 60); slices.Equal(obs, got) {
		t.Error("no push in 60 steps: the test no longer tests anything")
	}
}
