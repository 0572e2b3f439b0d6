package koopman

import (
	"errors"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// noisyEpisodes follow o' = 0.9 o + 0.5 u + noise.
func noisyEpisodes(rng *rand.Rand, n, steps int, noise float64) []Episode {
	eps := make([]Episode, n)
	for i := range eps {
		e := Episode{T: steps, Obs: make([]float32, 2*steps), Act: make([]float32, 2*steps)}
		for t := range steps {
			for j := range 2 {
				e.Act[2*t+j] = float32(rng.NormFloat64())
				if t > 0 {
					e.Obs[2*t+j] = 0.9*e.Obs[2*(t-1)+j] + 0.5*e.Act[2*(t-1)+j] + float32(noise*rng.NormFloat64())
				}
			}
		}
		eps[i] = e
	}
	return eps
}

// exact is the model of noisyEpisodes, with two features of no consequence.
func exact(t *testing.T) *Model {
	t.Helper()
	m, err := New(Config{ObsDim: 2, ActDim: 2, LatentDim: 4, Hidden: []int{3}, StateInclusive: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		m.A.Data[i*4+i], m.B.Data[i*2+i] = 0.9, 0.5
	}
	return m
}

// TestCalibratedRate: on fresh episodes about the share of steps that the
// quantile leaves is beyond the limit, and a push of several noises is.
func TestCalibratedRate(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	m := exact(t)
	if err := m.Calibrate(noisyEpisodes(rng, 20, 200, 0.05), 0.98); err != nil {
		t.Fatal(err)
	}
	beyond, caught, n := 0, 0, 0
	z, next, pushed := make([]float32, 4), make([]float32, 4), make([]float32, 4)
	for _, e := range noisyEpisodes(rng, 20, 200, 0.05) {
		for k := range e.T - 1 {
			m.LiftTo(z, e.Obs[2*k:])
			m.PredictTo(next, z, e.Act[2*k:])
			m.LiftTo(z, e.Obs[2*k+2:])
			n++
			if m.Innovation.Score(z, next) > 1 {
				beyond++
			}
			copy(pushed, z)
			pushed[0] += 0.4
			if m.Innovation.Score(pushed, next) > 1 {
				caught++
			}
		}
	}
	if rate := float64(beyond) / float64(n); rate < 0.01 || rate > 0.035 {
		t.Errorf("false alarms at %.4f of the steps, calibrated for 0.02", rate)
	}
	if rate := float64(caught) / float64(n); rate < 0.99 {
		t.Errorf("%.3f of the pushes noticed", rate)
	}
}

func TestMonitorIsStored(t *testing.T) {
	m := exact(t)
	if err := m.Calibrate(noisyEpisodes(rand.New(rand.NewPCG(2, 1)), 3, 50, 0.05), 0.9); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	a, b := []float32{1, 2, 3, 4}, []float32{1.5, 2, 3, 3}
	for _, pair := range [][2]*Monitor{{m.Innovation, got.Innovation}, {m.Innovation, got.Clone().Innovation}} {
		if s := pair[0].Score(a, b); s <= 0 || s != pair[1].Score(a, b) {
			t.Errorf("score %v, stored %v", s, pair[1].Score(a, b))
		}
	}
	if err := m.Calibrate(nil, 0.9); !errors.Is(err, ErrData) {
		t.Errorf("no data: %v", err)
	}
	if err := m.Calibrate(nil, 1); !errors.Is(err, ErrConfig) {
		t.Errorf("quantile 1: %v", err)
	}
}

// TestObserverFindsAConstantDisturbance and forgets it when it ends.
func TestObserverFindsAConstantDisturbance(t *testing.T) {
	m := exact(t)
	o, err := NewObserver(4, 0.3)
	if err != nil {
		t.Fatal(err)
	}
	z, next := make([]float32, 4), make([]float32, 4)
	run := func(push float32, want float64) {
		t.Helper()
		for range 30 {
			m.PredictTo(next, z, []float32{0.1, -0.2})
			copy(z, next)
			z[1] += push
			o.Update(z, next)
		}
		if d := o.Disturbance(); math.Abs(float64(d[1])-want) > 1e-4 || math.Abs(float64(d[0])) > 1e-6 {
			t.Errorf("disturbance %v, want %v at 1", d, want)
		}
	}
	run(0.05, 0.05)
	run(0, 0)
	run(-0.1, -0.1)
	o.Reset()
	if o.Disturbance()[1] != 0 {
		t.Error("the disturbance survives a reset")
	}
	for _, gain := range []float64{0, -1, 1.1, math.NaN()} {
		if _, err := NewObserver(4, gain); !errors.Is(err, ErrConfig) {
			t.Errorf("gain %v: %v", gain, err)
		}
	}
}
