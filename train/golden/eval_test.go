//go:build mujoco

package golden

import (
	"fmt"
	"testing"

	"korr/internal/seed"
	"korr/sim/mujoco"
	"korr/train/eval"
)

// plays hashes the actions of episodes of a shipped policy, as korr eval plays them, and says how they ended.
func plays(t *testing.T, name string, strength float64, episodes int) string {
	t.Helper()
	env, err := mujoco.New(mujoco.Config{Task: "one_leg", Perturb: strength})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = env.Close() }() // nothing is written
	c, s, ends := must(shipped(t, name).NewController(features(t))), newSum(), ""
	for i := range episodes {
		ep, err := eval.RunEpisode(t.Context(), env, c, seed.Stream(2, "eval", uint64(i)).Uint64(), func(step eval.Step) {
			s.add(step.Act)
		})
		if err != nil || ep.Fault != nil {
			t.Fatalf("episode %d: %v, %v", i, err, ep.Fault)
		}
		ends += fmt.Sprintf(" %s %d", ep.Stage, ep.Steps)
	}
	return s.text() + ends
}

// TestEval: the shipped policies play the first episodes of an evaluation as they did.
func TestEval(t *testing.T) {
	reproducible(t)
	for _, name := range []string{"base", "resip", "korr"} {
		check(t, "eval", name, plays(t, name, 0, 2))
		check(t, "pushed", name, plays(t, name, 1, 2))
	}
}

// TestLongEval: and 40 of them.
func TestLongEval(t *testing.T) {
	if !*long {
		t.Skip("without -long")
	}
	reproducible(t)
	for _, name := range []string{"base", "resip", "korr"} {
		for strength := range 2 {
			t.Run(fmt.Sprintf("%s, pushes %d", name, strength), func(t *testing.T) {
				t.Parallel()
				check(t, "long", fmt.Sprintf("%s, pushes %d", name, strength), plays(t, name, float64(strength), 40))
			})
		}
	}
}
