package episodes

import (
	"slices"
	"testing"

	"korr/koopman/filter"
	"korr/residual"
	"korr/sim"
)

// late is an environment of one part whose tracker is late: it shows what was true so many steps ago.
type late struct {
	fake
	step int
}

func (e *late) Spec() sim.Spec {
	s := e.fake.Spec()
	s.ObsDim, s.PartNames = sim.StateDim+sim.PoseDim, []string{"part"}
	return s
}

func (e *late) Reset(obs []float32, s uint64) error {
	e.step = 0
	e.show(obs)
	return nil
}

func (e *late) Step(obs, _ []float32) (sim.Result, error) {
	e.step++
	e.show(obs)
	return sim.Result{Reward: float32(e.step)}, nil
}

func (e *late) show(obs []float32) {
	for i := range obs {
		obs[i] = float32(e.step)
	}
}

func (e *late) AgesTo(dst []float32) { dst[0], dst[1] = 0, float32(e.step) }

// scribe is an estimator that adds the part's age to the observation and notes what it was told.
type scribe struct {
	resets int
	cmds   []float32
}

func (s *scribe) Reset() { s.resets++ }

func (s *scribe) Parts() []filter.Estimate { return nil }

func (s *scribe) EstimateTo(dst, obs []float32, at residual.When, cmd []float32) error {
	if cmd == nil {
		s.cmds = append(s.cmds, -1)
	} else {
		s.cmds = append(s.cmds, cmd[0])
	}
	for i, v := range obs {
		dst[i] = v + float32(100*at.Ages[1])
	}
	return nil
}

// TestEstimatedShowsTheEstimate: the estimator hears every observation with its ages and the command before it, none at
// an episode's first; what is shown is the estimate, and is of now; rewards are the environment's.
func TestEstimatedShowsTheEstimate(t *testing.T) {
	est := &scribe{}
	env := NewEstimated(&late{}, est)
	obs, act := make([]float32, env.Spec().ObsDim), make([]float32, sim.ActDim)
	for episode := range 2 {
		if err := env.Reset(obs, 1); err != nil {
			t.Fatal(err)
		}
		for k := 1; k <= 3; k++ {
			act[0] = float32(k)
			r, err := env.Step(obs, act)
			if err != nil || r.Reward != float32(k) || obs[5] != float32(k+100*k) {
				t.Fatalf("episode %d, step %d: shown %g, reward %g, %v", episode, k, obs[5], r.Reward, err)
			}
		}
	}
	if want := []float32{-1, 1, 2, 3, -1, 1, 2, 3}; !slices.Equal(est.cmds, want) || est.resets != 2 {
		t.Errorf("the estimator heard the commands %v, want %v, and %d resets", est.cmds, want, est.resets)
	}
	ages := []float32{7, 7}
	if sim.AgesTo(ages, env); !slices.Equal(ages, []float32{0, 0}) {
		t.Errorf("an estimate is said to be %v old", ages)
	}
}

// TestDealMeetsEverything: every push meets every tracker, in as many environments as the others within one.
func TestDealMeetsEverything(t *testing.T) {
	r := Recipe{Pushes: []float64{0, 2}, Trackers: []string{"clean", "T1", "T2"}}
	type pair struct {
		push    float64
		tracker string
	}
	met := map[pair]int{}
	for i := range 18 {
		p, s := r.Deal(i, 9, "T3")
		met[pair{p, s}]++
	}
	for _, p := range r.Pushes {
		for _, s := range r.Trackers {
			if met[pair{p, s}] != 3 {
				t.Errorf("%g and %s meet in %d of 18 environments, want 3", p, s, met[pair{p, s}])
			}
		}
	}
	if p, s := (&Recipe{}).Deal(3, 9, "T3"); p != 9 || s != "T3" {
		t.Errorf("a recipe that deals nothing deals %g, %s", p, s)
	}
}
