//go:build mujoco

package mujoco

import (
	"flag"
	"testing"

	"korr/sim"
	"korr/train/eval"
)

var long = flag.Bool("long", false, "play 20 expert episodes of every task and level in search of deep contacts")

// deepEpisodes are how many of the 20 have a contact deeper than heldDepth; docs/simulator.md says which contacts.
var deepEpisodes = map[string]int{
	"lamp low": 1, "lamp med": 1, "round_table med": 1, "square_table low": 2, "square_table med": 6,
}

// TestExpertDepth looks for contacts deeper than heldDepth in experts' episodes that succeed, beyond those that
// docs/simulator.md owns up to.
func TestExpertDepth(t *testing.T) {
	if !*long {
		t.Skip("with -long only: it takes minutes")
	}
	const episodes = 20
	for _, name := range sim.TaskNames() {
		for _, level := range []sim.Randomness{sim.Low, sim.Med} {
			e := open(t, Config{Task: name, Randomness: level})
			obs := make([]float32, e.spec.ObsDim)
			won, over, worst := 0, 0, 0.0
			for i := range episodes {
				deepest := 0.0
				r, x := assemble(t, e, obs, eval.EpisodeSeed(1, i), func(int) bool {
					deepest = max(deepest, e.penetration())
					return false
				})
				x.Close()
				deepest = max(deepest, e.penetration())
				if !r.Success {
					continue
				}
				won, worst = won+1, max(worst, deepest)
				if deepest > heldDepth {
					over++
				}
			}
			t.Logf("%s %s: %d of %d succeeded, the deepest contact in them %.3f mm, %d of them above %.1f mm", name, level, won,
				episodes, 1e3*worst, over, 1e3*heldDepth)
			if known := deepEpisodes[name+" "+string(level)]; over > known {
				t.Errorf("%s %s: %d episodes with contacts deeper than %.1f mm, %d are known", name, level, over, 1e3*heldDepth,
					known)
			}
		}
	}
}
