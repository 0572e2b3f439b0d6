package residual

import (
	"testing"

	"korr/koopman"
)

// TestPriorReturnsToTheCourse: on an integrator, what moved the state off the course of a chunk is taken back, the more the cheaper
// the action; a chunk's first action stays, and no correction is beyond the bound.
func TestPriorReturnsToTheCourse(t *testing.T) {
	left := map[float64]float32{}
	for _, cost := range []float64{0.1, 100} {
		left[cost] = integrate(t, cost, 0.02)
	}
	if !(left[0.1] < 0.002 && left[100] > left[0.1] && left[100] < 0.02) {
		t.Errorf("of a step of 0.02 the cheap action leaves %g, the costly %g", left[0.1], left[100])
	}
	if far := integrate(t, 0.1, 1); far < 1-6*priorLimit-1e-5 || far > 1-6*priorLimit+1e-5 {
		t.Errorf("6 bounded steps leave %g of 1, want %g", far, 1-6*priorLimit)
	}
}

// integrate plays a chunk of 8 actions on z' = z + u, moves z by step after the first, and returns how far it ends from
// the course.
func integrate(t *testing.T, cost float64, step float32) float32 {
	t.Helper()
	m, err := koopman.New(koopman.Config{ObsDim: 1, ActDim: 1, LatentDim: 2, Hidden: []int{4}, StateInclusive: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.A.Data, m.B.Data = []float32{1, 0, 0, 0}, []float32{1, 0}
	p, err := newPrior(m, m.Predictor(), 0, 1, cost)
	if err != nil {
		t.Fatal(err)
	}
	z, course := []float32{0.5, 0}, float32(0.5)
	for i := range 8 {
		u := []float32{0.01}
		if i == 7 { // what was left is measured before the last correction
			return max(z[0]-course, course-z[0])
		}
		p.correct(u, z, float32(i+1)/8)
		if i == 0 && u[0] != 0.01 {
			t.Fatalf("the first action of a chunk became %g", u[0])
		}
		z[0] += u[0]
		course += 0.01
		if i == 0 {
			z[0] += step
		}
	}
	return 0
}
