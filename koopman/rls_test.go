package koopman

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// walk drives a system whose gain differs from the model's and tells the adapter.
func walk(m *Model, a *Adapter, rng *rand.Rand, steps int, gain float32) (errBefore, errAfter float64) {
	z, next, pred, u := make([]float32, 4), make([]float32, 4), make([]float32, 4), make([]float32, 2)
	for k := range steps {
		for j := range u {
			u[j] = float32(rng.NormFloat64())
		}
		m.PredictTo(next, z, u)
		for j := range u {
			next[j] += gain * u[j]
		}
		a.PredictTo(pred, z, u)
		e := 0.0
		for j := range 2 {
			e += math.Abs(float64(pred[j] - next[j]))
		}
		if k < steps/4 {
			errBefore += e
		} else if k >= 3*steps/4 {
			errAfter += e
		}
		a.Update(z, u, next)
		copy(z, next)
	}
	return errBefore, errAfter
}

// TestAdapterLearnsAnotherGain, goes back on Reset, and leaves the model alone.
func TestAdapterLearnsAnotherGain(t *testing.T) {
	m, rng := exact(t), rand.New(rand.NewPCG(1, 1))
	before := append(append([]float32(nil), m.A.Data...), m.B.Data...)
	a, err := m.NewAdapter(AdapterConfig{Prior: 1, MaxDeviation: 1})
	if err != nil {
		t.Fatal(err)
	}
	first, last := walk(m, a, rng, 400, 0.2)
	if last > 0.1*first {
		t.Errorf("error %g in the first quarter, %g in the last", first, last)
	}
	for i, v := range append(append([]float32(nil), m.A.Data...), m.B.Data...) {
		if v != before[i] {
			t.Fatal("the model changed")
		}
	}
	a.Reset()
	pred, want := make([]float32, 4), make([]float32, 4)
	z, u := []float32{1, 2, 0, 0}, []float32{1, -1}
	a.PredictTo(pred, z, u)
	m.PredictTo(want, z, u)
	near64(t, pred, want)
	if n := testing.AllocsPerRun(20, func() { a.Update(z, u, want) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func near64(t *testing.T, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-5 {
			t.Errorf("%v, want %v", got, want)
			return
		}
	}
}

// TestAdapterIsBounded: a system far from the model moves the matrices to the
// bound and no further; P neither winds up without excitation nor loses its
// definiteness; what is not finite is ignored.
func TestAdapterIsBounded(t *testing.T) {
	m, rng := exact(t), rand.New(rand.NewPCG(2, 1))
	a, err := m.NewAdapter(AdapterConfig{Prior: 1, MaxDeviation: 0.1, Forgetting: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	walk(m, a, rng, 300, 5)
	deviation := func() float64 {
		d := 0.0
		for i, v := range a.ab {
			d += float64(v-a.trained[i]) * float64(v-a.trained[i])
		}
		return math.Sqrt(d) / a.norm
	}
	if d := deviation(); d > 0.1001 || d < 0.09 {
		t.Errorf("deviation %g, want the bound 0.1", d)
	}
	zero := make([]float32, 4)
	for range 2000 { // nothing happens: nothing to learn from
		a.Update(zero, zero[:2], zero)
	}
	n := 6
	p := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			p.SetSym(i, j, a.cov[i*n+j])
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(p, false) {
		t.Fatal("no eigenvalues")
	}
	for _, v := range eig.Values(nil) {
		if v < -1e-12 || v > float64(n)*1.0001 {
			t.Errorf("variance %g, want 0..%d", v, n)
		}
	}
	kept := append([]float32(nil), a.ab...)
	a.Update([]float32{float32(math.NaN()), 0, 0, 0}, zero[:2], zero)
	a.Update(zero, zero[:2], []float32{float32(math.Inf(1)), 0, 0, 0})
	near64(t, a.ab, kept)
	for _, cfg := range []AdapterConfig{{Forgetting: 1.1}, {Forgetting: 0.1}, {Prior: -1}, {MaxDeviation: -1}} {
		if _, err := m.NewAdapter(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

// TestFollowersHelpInAnotherWorld scores the model, its adaptation and its
// observer in episodes whose dynamics it was not made for.
func TestFollowersHelpInAnotherWorld(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	m := exact(t)
	m.B.Data[0] = 0.2 // it is 0.5
	eps := noisyEpisodes(rng, 4, 120, 0.001)
	for _, e := range eps {
		for k := range e.T - 1 { // and the second coordinate is pushed all the time
			e.Obs[2*k+3] += float32(0.4 * (1 - math.Pow(0.9, float64(k+1))) / 0.1 / 10)
		}
	}
	reader, err := NewReader(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	adapted, err := NewAdapted(m, AdapterConfig{Prior: 1, MaxDeviation: 1})
	if err != nil {
		t.Fatal(err)
	}
	disturbed, err := NewDisturbed(m, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := Evaluate([]Forecaster{reader, adapted, disturbed}, eps, 2, 2, EvalConfig{Horizons: []int{1, 5}})
	if err != nil {
		t.Fatal(err)
	}
	if plain, rls := scores[0].RMSE, scores[2].RMSE; rls > 0.5*plain {
		t.Errorf("one step: adapted %g, plain %g", rls, plain)
	}
	if _, err := NewAdapted(&Model{}, AdapterConfig{}); !errors.Is(err, ErrConfig) {
		t.Error("a lift without the state was taken")
	}
}
