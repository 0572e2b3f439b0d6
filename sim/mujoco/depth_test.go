//go:build mujoco

package mujoco

import (
	"flag"
	"testing"

	"korr/sim"
	"korr/train/eval"
)

var long = flag.Bool("long", false, "play 20 expert episodes of every task and level in search of deep contacts")

// TestExpertDepth looks for contacts deeper than heldDepth in experts' episodes that succeed; the levels at which
// docs/simulator.md admits some are only logged.
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
			if over > 0 && (name != "square_table" || level != sim.Med) {
				t.Errorf("%s %s: %d episodes with contacts deeper than %.1f mm", name, level, over, 1e3*heldDepth)
			}
		}
	}
}
