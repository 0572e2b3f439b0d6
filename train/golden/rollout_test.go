package golden

import (
	"testing"

	"korr/residual"
	"korr/sim"
	"korr/train/episodes"
)

// reads hashes what a trainer's networks read in episodes of the toy, in which the base acts with a disturbance.
func reads(t *testing.T, spec episodes.Spec) string {
	t.Helper()
	v, err := episodes.NewView(spec)
	if err != nil {
		t.Fatal(err)
	}
	s, w := newSum(), &world{}
	x, obs, act := make([]float32, v.Layout().Width()), make([]float32, worldObs), make([]float32, sim.ActDim)
	for episode := range uint64(4) {
		if err := w.Reset(obs, episode); err != nil {
			t.Fatal(err)
		}
		w.bad = false
		v.Reset(episode)
		for k := range 23 {
			if k%6 == 5 || k == 22 {
				if err := v.PeekTo(x, obs); err != nil {
					t.Fatal(err)
				}
				s.add(x)
			}
			if k == 22 {
				break
			}
			if err := v.ObserveTo(x, obs); err != nil {
				t.Fatal(err)
			}
			s.add(x)
			v.Encoder().DenormalizeActionTo(act, v.Layout().Base.Of(x))
			act[k%3] += 0.02
			v.Executed(act)
			if _, err := w.Step(obs, act); err != nil {
				t.Fatal(err)
			}
		}
	}
	return s.text()
}

// TestRollouts: a slot of TD3 and one of PPO read what they did.
func TestRollouts(t *testing.T) {
	reproducible(t)
	all := policies(t)
	for _, name := range sorted(all) {
		p := all[name]
		spec := episodes.Spec{Base: p.Base, Execute: p.Execute, Foresight: p.Foresight, Focus: p.Focus.State}
		if p.Features {
			spec.Features = func() residual.Features { return features(t) }
		}
		if p.Foresight.Condition == residual.Lookahead {
			spec.Koopman = p.Koopman
		}
		check(t, "rollouts", name, reads(t, spec))
	}
}
