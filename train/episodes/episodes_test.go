package episodes

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
)

// fake is an environment that refuses its first resets and observes its seed.
type fake struct {
	refuse int
	resets int
	closed bool
}

func (e *fake) Spec() sim.Spec {
	return sim.Spec{Task: "fake", ObsDim: sim.StateDim, ActDim: sim.ActDim, MaxSteps: 4, ControlHz: 10}
}

func (e *fake) Reset(obs []float32, s uint64) error {
	if e.resets++; e.resets <= e.refuse {
		return errors.New("refused")
	}
	clear(obs)
	obs[0] = float32(s % 1000)
	return nil
}

func (e *fake) Step(obs, _ []float32) (sim.Result, error) { return sim.Result{}, nil }

func (e *fake) Close() error { e.closed = true; return nil }

func starter(t *testing.T, envs ...sim.Env) *Starter {
	t.Helper()
	batch, err := sim.NewBatch(envs, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := batch.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewStarter(batch, 7, slog.New(slog.DiscardHandler))
}

// TestSeedsCountOn: episode k of a run has the k-th seed, whichever environment plays it; the others are left alone.
func TestSeedsCountOn(t *testing.T) {
	s := starter(t, &fake{}, &fake{}, &fake{})
	obs := make([]float32, 3*sim.StateDim)
	episode := 0
	for _, due := range [][]bool{{true, true, true}, {false, true, false}, {true, false, true}} {
		before := slices.Clone(obs)
		seeds, err := s.Begin(obs, due)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range due {
			row := i * sim.StateDim
			if !d {
				if obs[row] != before[row] {
					t.Errorf("environment %d was reset", i)
				}
				continue
			}
			want := seed.Stream(7, "train", uint64(episode)).Uint64()
			if episode++; seeds[i] != want || obs[row] != float32(want%1000) {
				t.Errorf("episode %d in environment %d: seed %d, want %d", episode, i, seeds[i], want)
			}
		}
	}
	if s.Begun != episode {
		t.Errorf("%d episodes begun, want %d", s.Begun, episode)
	}
}

func TestRefusedResetsAreTriedAgain(t *testing.T) {
	for refusals, ok := range map[int]bool{0: true, 2: true, 3: false} {
		s := starter(t, &fake{refuse: refusals})
		seeds, err := s.Begin(make([]float32, sim.StateDim), []bool{true})
		if (err == nil) != ok {
			t.Errorf("%d refusals: %v", refusals, err)
		}
		if ok && seeds[0] != seed.Stream(7, "train", uint64(refusals)).Uint64() {
			t.Errorf("%d refusals: the seed is not the next one", refusals)
		}
	}
}

// TestViewSeesWhatAControllerSees: base action and phase come from the queue in step, and PeekTo leaves it where it
// was.
func TestViewSeesWhatAControllerSees(t *testing.T) {
	const horizon, execute = 4, 3
	unit := func(n int) *basepolicy.Normalizer {
		return &basepolicy.Normalizer{Min: slices.Repeat([]float32{-1}, n), Max: slices.Repeat([]float32{1}, n)}
	}
	cfg := basepolicy.MLPConfig{ObsDim: sim.StateDim, ActDim: sim.ActDim, Horizon: horizon, Hidden: []int{8}}
	base := basepolicy.NewMLP(cfg, unit(sim.StateDim), unit(sim.ActDim), seed.Stream(1, "test", 0))
	v, err := NewView(Spec{
		Base: base, Execute: execute, Features: func() residual.Features { return nil },
		Foresight: residual.Foresight{Condition: residual.Plan, Steps: []int{1, 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Reset(1)
	rng := seed.Stream(2, "test", 0)
	d := v.Encoder().Dim()
	x, last, obs := make([]float32, v.Layout().Width()), make([]float32, v.Layout().Width()), make([]float32, sim.StateDim)
	chunk, chunks := make([]float32, horizon*sim.ActDim), base.NewChunker()
	for step := range 3 * execute {
		for i := range obs {
			obs[i] = float32(2*rng.Float64() - 1)
		}
		if err := v.PeekTo(last, obs); err != nil {
			t.Fatal(err)
		}
		if err := v.ObserveTo(x, obs); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(last, x) {
			t.Fatalf("step %d: peeked %v, then observed %v", step, last, x)
		}
		k := step % execute
		if k == 0 {
			if err := chunks.ChunkTo(chunk, x[:d], basepolicy.Rest{}); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(x[d:d+sim.ActDim], chunk[k*sim.ActDim:(k+1)*sim.ActDim]) {
			t.Errorf("step %d: not action %d of the chunk", step, k)
		}
	}
}

// TestBatchOfTheRecipe: the environments are numbered from 0; what was made before one that fails is closed.
func TestBatchOfTheRecipe(t *testing.T) {
	r := Recipe{Envs: 4}
	var made []*fake
	open := func(failing int) func(int) (sim.Env, error) {
		made = nil
		return func(i int) (sim.Env, error) {
			if i != len(made) {
				t.Errorf("environment %d after %d", i, len(made))
			}
			if i == failing {
				return nil, errors.New("no licence")
			}
			made = append(made, &fake{})
			return made[i], nil
		}
	}
	b, err := r.NewBatch(open(-1), 2)
	if err != nil || b.Len() != r.Envs {
		t.Fatalf("%v, %v", b, err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.NewBatch(open(2), 2); err == nil || !strings.Contains(err.Error(), "environment 2: no licence") {
		t.Errorf("an environment that cannot be made: %v", err)
	}
	for i, e := range made {
		if !e.closed {
			t.Errorf("environment %d stays open", i)
		}
	}
	r.Envs = 1 << 40
	if _, err := r.NewBatch(open(0), 2); err == nil || !strings.Contains(err.Error(), "residual.envs is ") {
		t.Errorf("more than the memory holds: %v", err)
	}
}

// TestBaseThatReadsFeatures: a base policy gets the features that it was trained with, or the run is refused.
func TestBaseThatReadsFeatures(t *testing.T) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	wide := func(n int) *basepolicy.Normalizer {
		return &basepolicy.Normalizer{Min: make([]float32, n), Max: slices.Repeat([]float32{1}, n)}
	}
	n := task.NewFeatures().Dim()
	cfg := basepolicy.MLPConfig{ObsDim: task.ObsDim() + n, ActDim: sim.ActDim, Horizon: 8, Hidden: []int{4}, Features: n}
	base := basepolicy.NewMLP(cfg, wide(task.ObsDim()), wide(sim.ActDim), seed.Stream(1, "test", 0))
	spec := Spec{Base: base, Execute: 8, Foresight: residual.Foresight{Condition: residual.Published}}
	if _, err := NewView(spec); err == nil || !strings.Contains(err.Error(), "residual.features=true") {
		t.Errorf("without features: %v", err)
	}
	lamp, err := sim.TaskByName("lamp")
	if err != nil {
		t.Fatal(err)
	}
	spec.Features = func() residual.Features { return lamp.NewFeatures() }
	if _, err := NewView(spec); err == nil || !strings.Contains(err.Error(), "residual.base") {
		t.Errorf("with those of another task: %v", err)
	}
	spec.Features = func() residual.Features { return task.NewFeatures() }
	v, err := NewView(spec)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Encoder().BaseDim(); got != cfg.ObsDim {
		t.Errorf("the base policy reads %d values, want %d", got, cfg.ObsDim)
	}
}
