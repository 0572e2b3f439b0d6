package golden

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/residual"
	"korr/sim"
)

// features are those of one_leg.
func features(t *testing.T) *sim.Features {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	return task.NewFeatures()
}

// ticks hashes what a controller says and commands in two episodes, in which the base plans anew, an observation is not
// finite, and at every other step another command was sent than the controller's.
func ticks(t *testing.T, p *residual.Policy) string {
	t.Helper()
	c := must(p.NewController(features(t)))
	s, act := newSum(), make([]float32, sim.ActDim)
	c.Reset(11)
	for k, obs := range walk(5, 60) {
		switch k {
		case 25:
			c.Replan()
		case 33:
			obs[7] = float32(math.NaN())
		case 40:
			c.Reset(12)
		}
		info, err := c.StepTo(act, obs)
		if (err != nil) != (k == 33) {
			t.Fatalf("tick %d: %v", k, err)
		}
		if err != nil {
			continue
		}
		s.add(act, info.Base, info.Residual, info.Latent, info.Predicted,
			[]float32{info.Innovation, info.Surprise, info.Phase})
		if k%2 == 0 {
			act[k%7] += 0.01
			c.Executed(act)
		}
	}
	return s.text()
}

// TestTicks: every class of policy acts as it did.
func TestTicks(t *testing.T) {
	reproducible(t)
	all := policies(t)
	for _, name := range sorted(all) {
		check(t, "ticks", name, ticks(t, all[name]))
	}
	unfolded := *all["korr_published"]
	unfolded.Base = basepolicy.Ensembled{Policy: unfolded.Base, Rate: 0.1}
	check(t, "ticks", "korr_published, ensembled", ticks(t, &unfolded))
}

// TestOldPoliciesAreRefused: one that this program would not let act as it was trained to is refused, and the error
// says where it still does.
func TestOldPoliciesAreRefused(t *testing.T) {
	for name, want := range map[string]string{"old_prior": "lqr_prior", "old_replan": "replan"} {
		_, err := residual.Load("testdata/policies/"+name+".safetensors", nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "c1b008f") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShippedTicks: so do the shipped policies.
func TestShippedTicks(t *testing.T) {
	reproducible(t)
	for _, name := range []string{"base", "resip", "korr"} {
		check(t, "shipped", name, ticks(t, shipped(t, name)))
	}
}

// shipped reads a shipped policy; a base acts alone.
func shipped(t *testing.T, name string) *residual.Policy {
	t.Helper()
	path := filepath.Join("../../configs/weights/one_leg", name+".safetensors")
	if name != "base" {
		p, err := residual.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	base, err := basepolicy.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return &residual.Policy{Method: residual.MethodBase, Task: "one_leg", Base: base, Execute: 8}
}

// must is the value of a call that does not fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
