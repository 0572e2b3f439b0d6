//go:build mujoco

package mujoco

import (
	"slices"
	"testing"

	"korr/sim"
)

// TestMixedLevels: an episode of mixed randomness is the episode of the level that its seed draws, bit for bit, pushes
// and a restored snapshot included, and the levels come in the stated shares.
func TestMixedLevels(t *testing.T) {
	open := func(r sim.Randomness) *Env {
		e, err := New(Config{Task: "one_leg", Randomness: r, Perturb: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	mixed := open(sim.Mixed)
	of := map[sim.Randomness]*Env{sim.Low: open(sim.Low), sim.Med: open(sim.Med), sim.High: open(sim.High)}
	n := mixed.Spec().ObsDim
	got, want, restored := make([]float32, n), make([]float32, n), make([]float32, n)
	action := func(obs []float32) []float32 { return append(slices.Clone(obs[:9]), -1) }
	seen := map[sim.Randomness]bool{}
	for episode := uint64(0); len(seen) < 3; episode++ {
		level := sim.Mixed.Of(episode)
		if seen[level] {
			continue
		}
		seen[level] = true
		for _, e := range []struct {
			env *Env
			obs []float32
		}{{mixed, got}, {of[level], want}} {
			if err := e.env.Reset(e.obs, episode); err != nil {
				t.Fatal(err)
			}
		}
		other := open(sim.Low)
		snap, err := mixed.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Restore(restored, snap); err != nil {
			t.Fatal(err)
		}
		for step := range 100 {
			if !slices.Equal(got, want) || !slices.Equal(restored, want) {
				t.Fatalf("level %s, step %d: mixed and restored episodes differ from the level's own", level, step)
			}
			a := action(got)
			for _, e := range []struct {
				env *Env
				obs []float32
			}{{mixed, got}, {of[level], want}, {other, restored}} {
				if _, err := e.env.Step(e.obs, a); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	counts := map[sim.Randomness]int{}
	for episode := range uint64(10000) {
		counts[sim.Mixed.Of(episode)]++
	}
	for level, want := range map[sim.Randomness]int{sim.Low: 3000, sim.Med: 4000, sim.High: 3000} {
		if d := counts[level] - want; d < -200 || d > 200 { // four standard deviations
			t.Errorf("%d of 10000 episodes are %s, want about %d", counts[level], level, want)
		}
	}
}
