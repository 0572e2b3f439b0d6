package koopman

import (
	"context"
	"errors"
	"math"
	"testing"

	"korr/internal/seed"
)

// simulate runs step from random starts under random actions.
func simulate(purpose string, episodes, length, d, u int, step func(next, o, u []float32)) []Episode {
	var out []Episode
	for k := range episodes {
		rng := seed.Stream(1, purpose, uint64(k))
		e := Episode{T: length, Obs: make([]float32, length*d), Act: make([]float32, length*u)}
		for i := range d {
			e.Obs[i] = 2*rng.Float32() - 1
		}
		for i := range e.Act {
			e.Act[i] = 2*rng.Float32() - 1
		}
		for t := range length - 1 {
			step(e.Obs[(t+1)*d:(t+2)*d], e.Obs[t*d:(t+1)*d], e.Act[t*u:(t+1)*u])
		}
		out = append(out, e)
	}
	return out
}

var (
	trueA = [9]float32{0.9, 0.2, 0, -0.2, 0.9, 0.1, 0, 0, 0.7}
	trueB = [6]float32{0.1, 0, 0, 0.2, 0.3, -0.1}
)

func linear(next, o, u []float32) {
	for i := range 3 {
		next[i] = trueA[3*i]*o[0] + trueA[3*i+1]*o[1] + trueA[3*i+2]*o[2] + trueB[2*i]*u[0] + trueB[2*i+1]*u[1]
	}
}

func TestLeastSquaresRecoversALinearSystem(t *testing.T) {
	m, err := New(Config{ObsDim: 3, ActDim: 2, LatentDim: 6, Hidden: []int{8}, StateInclusive: true},
		seed.Stream(1, "recover", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.FitEpisodes(simulate("linear", 40, 50, 3, 2, linear), 1e-8); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		for j := range 6 {
			want := float32(0)
			if j < 3 {
				want = trueA[3*i+j]
			}
			if got := m.A.Data[6*i+j]; math.Abs(float64(got-want)) > 1e-3 {
				t.Errorf("A[%d,%d] = %g, want %g", i, j, got, want)
			}
		}
		for j := range 2 {
			if got, want := m.B.Data[2*i+j], trueB[2*i+j]; math.Abs(float64(got-want)) > 1e-3 {
				t.Errorf("B[%d,%d] = %g, want %g", i, j, got, want)
			}
		}
	}
}

func TestDMDcRecoversALinearSystem(t *testing.T) {
	f, err := FitDMDc(simulate("linear", 40, 50, 3, 2, linear), 3, 2, 1e-9)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := Evaluate([]Forecaster{f, Persistence{}}, simulate("held out", 5, 80, 3, 2, linear), 3, 2, EvalConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scores {
		if s.Model == "dmdc" && s.RMSE > 1e-3 || s.Model == "persistence" && s.RMSE < 0.05 {
			t.Errorf("%+v", s)
		}
	}
	if len(scores) != 6 || scores[0].Windows != 5*6 {
		t.Errorf("scores %+v: want 2 models x 3 horizons over 30 windows", scores)
	}
}

// curved has a finite Koopman lift, the state and the squares of its rotating
// part, which no linear map of the state alone replaces (after the quadratic
// example of Brunton et al. 2016, PLoS ONE 11).
func curved(next, o, u []float32) {
	next[0] = 0.95*o[0] + 0.3*o[1]
	next[1] = -0.3*o[0] + 0.95*o[1]
	next[2] = 0.6*o[2] + 0.8*o[0]*o[1] + 0.2*u[0]
}

func TestTrainingBeatsLinearModels(t *testing.T) {
	train, held := simulate("curved", 60, 60, 3, 1, curved), simulate("curved held out", 10, 60, 3, 1, curved)
	cfg := TrainConfig{Steps: 400, Batch: 64, Horizon: 5, LR: 2e-3, Seed: 1}
	var first, last float64
	cfg.Progress = func(step int, loss float64) {
		if step == 0 {
			first = loss
		}
		last = loss
	}
	var forecasters []Forecaster
	for _, inclusive := range []bool{true, false} {
		m, err := New(Config{ObsDim: 3, ActDim: 1, LatentDim: 16, Hidden: []int{32, 32}, StateInclusive: inclusive},
			seed.Stream(1, "train", 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := Train(context.Background(), m, train, cfg); err != nil {
			t.Fatal(err)
		}
		if last > first/2 {
			t.Errorf("state-inclusive %v: loss %g at the start, %g at the end", inclusive, first, last)
		}
		if r := m.SpectralRadius(); r > 1 {
			t.Errorf("state-inclusive %v: spectral radius %g after training", inclusive, r)
		}
		r, err := NewReader(m, train)
		if err != nil {
			t.Fatal(err)
		}
		forecasters = append(forecasters, r)
	}
	mlp, err := TrainDynamics(context.Background(), train, 3, 1, []int{32, 32}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	dmdc, err := FitDMDc(train, 3, 1, 1e-6)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := Evaluate(append(forecasters, mlp, dmdc, Persistence{}), held, 3, 1,
		EvalConfig{Horizons: []int{1, 5, 20}})
	if err != nil {
		t.Fatal(err)
	}
	for h := range 3 {
		koopman, net, lin, stay := scores[h].RMSE, scores[6+h].RMSE, scores[9+h].RMSE, scores[12+h].RMSE
		t.Logf("horizon %d: state-inclusive %.4f, pure %.4f, mlp %.4f, dmdc %.4f, persistence %.4f",
			scores[h].Horizon, koopman, scores[3+h].RMSE, net, lin, stay)
		if koopman > 0.6*lin || net > 0.7*lin || koopman > 0.4*stay {
			t.Errorf("horizon %d: trained models do not beat the linear ones", scores[h].Horizon)
		}
	}
}

// explosive grows by 1.2 a step: the least-squares A does too, unless bounded.
func explosive(next, o, u []float32) { next[0] = 1.2*o[0] + 0.1*u[0] }

func TestFitsRespectTheBound(t *testing.T) {
	eps := simulate("explosive", 20, 15, 1, 1, explosive)
	for _, bound := range []float64{0.95, -1} {
		m, err := New(Config{
			ObsDim: 1, ActDim: 1, LatentDim: 3, Hidden: []int{6}, StateInclusive: true,
			SpectralBound: bound,
		}, seed.Stream(1, "bound", 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.FitEpisodes(eps, 1e-6); err != nil {
			t.Fatal(err)
		}
		if r := m.SpectralRadius(); bound > 0 && r > bound || bound < 0 && r < 1.1 {
			t.Errorf("bound %g: radius %g after the fit", bound, r)
		}
		if err := Train(context.Background(), m, eps,
			TrainConfig{Steps: 30, Batch: 16, Horizon: 4, ConstrainEvery: 7}); err != nil {
			t.Fatal(err)
		}
		if r := m.SpectralRadius(); bound > 0 && r > bound {
			t.Errorf("bound %g: radius %g after training", bound, r)
		}
	}
}

func TestTrainingIsReproducible(t *testing.T) {
	eps := simulate("curved", 5, 30, 3, 1, curved)
	run := func(s uint64) *Model {
		m, err := New(Config{ObsDim: 3, ActDim: 1, LatentDim: 5, Hidden: []int{8}, StateInclusive: true},
			seed.Stream(1, "repro", 0))
		if err != nil {
			t.Fatal(err)
		}
		if err := Train(context.Background(), m, eps, TrainConfig{Steps: 20, Batch: 8, Horizon: 3, Seed: s}); err != nil {
			t.Fatal(err)
		}
		return m
	}
	a, b, c := run(1), run(1), run(2)
	same(t, a, b)
	if a.A.Data[0] == c.A.Data[0] {
		t.Error("the seed changes nothing")
	}
}

func TestTrainingErrors(t *testing.T) {
	eps := simulate("curved", 5, 30, 3, 1, curved)
	m, err := New(Config{ObsDim: 3, ActDim: 1, LatentDim: 5, Hidden: []int{8}, StateInclusive: true},
		seed.Stream(1, "errors", 0))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := Train(ctx, m, simulate("curved", 3, 10, 3, 1, curved), TrainConfig{Horizon: 10}); !errors.Is(err, ErrData) {
		t.Errorf("short episodes: %v", err)
	}
	if err := Train(ctx, m, []Episode{{Obs: make([]float32, 9), Act: make([]float32, 9), T: 9}},
		TrainConfig{Horizon: 2}); !errors.Is(err, ErrData) {
		t.Errorf("mis-sized episode: %v", err)
	}
	if err := Train(ctx, m, eps, TrainConfig{Steps: -1}); !errors.Is(err, ErrConfig) {
		t.Errorf("negative steps: %v", err)
	}
	if err := Train(ctx, m, eps, TrainConfig{Batch: 1 << 40, Horizon: 2}); !errors.Is(err, ErrConfig) {
		t.Errorf("a batch that no memory holds: %v", err)
	}
	still := []Episode{{Obs: make([]float32, 60), Act: make([]float32, 20), T: 20}}
	if err := m.FitEpisodes(still, 0); !errors.Is(err, ErrSingular) {
		t.Errorf("constant data without ridge: %v", err)
	}
	if _, err := Evaluate([]Forecaster{Persistence{}}, eps, 3, 1, EvalConfig{Horizons: []int{0}}); !errors.Is(err,
		ErrConfig) {
		t.Errorf("horizon 0: %v", err)
	}

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := Train(cancelled, m, eps, TrainConfig{Horizon: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	bad := simulate("curved", 5, 30, 3, 1, curved)
	bad[0].Obs[7] = float32(math.NaN())
	if err := Train(ctx, m, bad, TrainConfig{Horizon: 3}); !errors.Is(err, ErrData) {
		t.Errorf("NaN in the data: %v", err)
	}
	if err := Train(ctx, m, eps, TrainConfig{Horizon: 3, LR: 1e30}); !errors.Is(err, ErrDiverged) {
		t.Errorf("absurd rate: %v", err)
	}
	if r := m.SpectralRadius(); !(r <= 1) {
		t.Errorf("radius %g after failed runs", r)
	}
}
