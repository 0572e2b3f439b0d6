package koopman

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// TestDisturbedHelpsWhereSomethingPushes scores the model alone and with its observer
// in episodes whose second coordinate is pushed all the time.
func TestDisturbedHelpsWhereSomethingPushes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	m := exact(t)
	eps := noisyEpisodes(rng, 4, 120, 0.001)
	for _, e := range eps {
		for k := range e.T - 1 {
			e.Obs[2*k+3] += float32(0.4 * (1 - math.Pow(0.9, float64(k+1))) / 0.1 / 10)
		}
	}
	reader, err := NewReader(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	disturbed, err := NewDisturbed(m, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := Evaluate([]Forecaster{reader, disturbed}, eps, 2, 2, EvalConfig{Horizons: []int{1, 5}})
	if err != nil {
		t.Fatal(err)
	}
	if plain, observed := scores[0].RMSE, scores[2].RMSE; observed > 0.5*plain {
		t.Errorf("one step: with the observer %g, plain %g", observed, plain)
	}
	if _, err := NewDisturbed(&Model{}, 0.2); !errors.Is(err, ErrConfig) {
		t.Error("a lift without the state was taken")
	}
}
