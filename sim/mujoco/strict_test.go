//go:build mujoco

package mujoco

import (
	"slices"
	"testing"

	"korr/sim"
)

// TestUnsettled: without the pause the first observation shows the nominal poses; the initial push comes with the first
// control step, also when that begins with a push of its own, and from a snapshot.
func TestUnsettled(t *testing.T) {
	for _, perturb := range []float64{0, 1} {
		e := open(t, Config{Randomness: sim.Med, Unsettled: true, Perturb: perturb})
		obs, again := make([]float32, e.spec.ObsDim), make([]float32, e.spec.ObsDim)
		if err := e.Reset(obs, 3); err != nil {
			t.Fatal(err)
		}
		at := func() float64 { return e.poses[0].P.Sub(NominalPose(&e.task.Parts[0]).P).Norm() }
		if at() > 1e-9 {
			t.Errorf("the first observation shows the top %.2g m from its nominal pose", at())
		}
		snap, err := e.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		act := still(obs)
		for range 10 {
			if _, err := e.Step(obs, act); err != nil {
				t.Fatal(err)
			}
		}
		moved := at()
		if moved < 0.003 {
			t.Errorf("the push moved the top by %.2g m", moved)
		}
		if err := e.Restore(again, snap); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := e.Step(again, act); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(obs, again) {
			t.Error("from the snapshot the episode is another one")
		}
		settled := open(t, Config{Randomness: sim.Med})
		if err := settled.Reset(again, 3); err != nil {
			t.Fatal(err)
		}
		if d := settled.poses[0].P.Sub(e.poses[0].P).Norm(); perturb == 0 && d > 1e-3 {
			t.Errorf("settled the top is %.2g m from where the same push takes it later", d)
		}
	}
	if _, err := New(Config{Yaw: "any"}); err == nil {
		t.Error("yaw any is taken")
	}
}
