package td3

import (
	"math"
	"slices"
	"testing"

	"korr/sim"
)

func TestExplorationIsStationaryAndCorrelated(t *testing.T) {
	const rho, steps = 0.8, 200_000
	e := newExploration(1, rho)
	rng := newStream(1, "test")
	var prev, sum, square, lag float64
	for range steps {
		v := float64(e.next(rng.Rand)[0])
		sum, square, lag = sum+v, square+v*v, lag+v*prev
		prev = v
	}
	if m, s, c := sum/steps, square/steps, lag/square; math.Abs(m) > 0.03 || math.Abs(s-1) > 0.03 ||
		math.Abs(c-rho) > 0.01 {
		t.Errorf("mean %.3f, variance %.3f, lag-1 correlation %.3f; want 0, 1, %v", m, s, c, rho)
	}
}

func TestNoiseSchedule(t *testing.T) {
	c := plain()
	for step, want := range map[int]float64{
		0: 0.15, 14_999: 0.15, 15_000: 0.15, 65_000: 0.115, 115_000: 0.08,
		1 << 30: 0.08,
	} {
		if got := c.sigma(step); math.Abs(got-want) > 1e-9 {
			t.Errorf("step %d: %v, want %v", step, got, want)
		}
	}
}

// TestActionsStayInReach: noise never takes the residual beyond [-1, 1].
func TestActionsStayInReach(t *testing.T) {
	ro := newPointRollout(t, pointConfig(), 2, func(int) *pointEnv { return &pointEnv{} })
	r := make([]float32, 2*sim.ActDim)
	for i := range r {
		r[i] = 0.9
	}
	top := float32(0)
	for range 50 {
		ro.choose(r, 1.5)
		for _, v := range ro.r {
			top = max(top, v, -v)
		}
		ro.simulate()
		if err := ro.record(); err != nil {
			t.Fatal(err)
		}
	}
	if top != 1 {
		t.Errorf("largest residual %v, want 1", top)
	}
}

// TestNoiseFree: once the actor acts, the environments of noise_free act as the policy does.
func TestNoiseFree(t *testing.T) {
	cfg := pointConfig()
	cfg.NoiseFree = 0.5
	ro := newPointRollout(t, cfg, 4, func(int) *pointEnv { return &pointEnv{} })
	shaken := func(r []float32) (out []bool) {
		ro.choose(r, 0.3)
		for i := range ro.slots {
			out = append(out, slices.Max(ro.r[i*sim.ActDim:(i+1)*sim.ActDim]) > 0)
		}
		return out
	}
	if got, want := shaken(make([]float32, 4*sim.ActDim)), []bool{false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("%v shake, want %v", got, want)
	}
	if got, want := shaken(nil), []bool{true, true, true, true}; !slices.Equal(got, want) {
		t.Errorf("before the actor acts %v shake, want %v", got, want)
	}
}
