package koopman

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestLookaheadEqualsRolling: the multiplied-out powers, and the iteration of a bilinear model, give what stepping the
// model gives, at every horizon and coordinate.
func TestLookaheadEqualsRolling(t *testing.T) {
	t.Run("linear", func(t *testing.T) { lookaheadEqualsRolling(t, false) })
	t.Run("bilinear", func(t *testing.T) { lookaheadEqualsRolling(t, true) })
}

func lookaheadEqualsRolling(t *testing.T, bilinear bool) {
	rng := rand.New(rand.NewPCG(1, 2))
	m, err := New(Config{
		ObsDim: 5, ActDim: 3, LatentDim: 9, Hidden: []int{7}, StateInclusive: true,
		Bilinear: bilinear,
	}, rng)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.dynamics() {
		for i := range p.Data {
			p.Data[i] = float32(0.3 * rng.NormFloat64())
		}
	}
	m.Constrain()
	const from, to = 2, 5
	horizons := []int{4, 1, 8}
	a, err := m.Lookahead(horizons, from, to)
	if err != nil {
		t.Fatal(err)
	}
	obs, plan := make([]float32, 5), make([]float32, a.Steps()*3)
	for _, x := range [][]float32{obs, plan} {
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
	}
	z, got := make([]float32, 9), make([]float32, a.Dim())
	m.LiftTo(z, obs)
	d := make([]float32, 9)
	for i := range d {
		d[i] = float32(rng.NormFloat64())
	}
	a.PredictTo(got, z, plan, d)
	states := [][]float32{z}
	for k := range 8 {
		next := make([]float32, 9)
		m.PredictTo(next, states[k], plan[k*3:])
		for i := range next {
			next[i] += d[i]
		}
		states = append(states, next)
	}
	for i, k := range horizons {
		for c := range to - from {
			want := states[k][from+c]
			if d := math.Abs(float64(got[i*(to-from)+c] - want)); d > 1e-5 {
				t.Errorf("horizon %d, coordinate %d: %v, rolled %v", k, from+c, got[i*(to-from)+c], want)
			}
		}
	}
	if n := testing.AllocsPerRun(20, func() { a.PredictTo(got, z, plan, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLookaheadRefuses(t *testing.T) {
	m, err := New(Config{ObsDim: 2, ActDim: 1, LatentDim: 4, Hidden: []int{3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		horizons []int
		from, to int
	}{{nil, 0, 4}, {[]int{0}, 0, 4}, {[]int{1}, 2, 2}, {[]int{1}, 0, 5}, {[]int{1}, -1, 3}, {[]int{1 << 20}, 0, 4}} {
		if _, err := m.Lookahead(c.horizons, c.from, c.to); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
