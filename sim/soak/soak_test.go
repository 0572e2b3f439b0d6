package soak

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/sim"
)

// fake is an environment that goes wrong when told to.
type fake struct {
	spec  sim.Spec
	wrong func(step int, obs []float32) error
	step  int
	live  bool
}

func (f *fake) Spec() sim.Spec { return f.spec }

func (f *fake) Reset(obs []float32, _ uint64) error {
	clear(obs)
	obs[3], obs[7] = 1, 1 // the rotation's rows
	f.step, f.live = 0, true
	return nil
}

func (f *fake) Step(obs, act []float32) (sim.Result, error) {
	if !f.live {
		return sim.Result{}, sim.ErrNotReset
	}
	if err := sim.CheckAction(act); err != nil {
		f.live = false
		return sim.Result{}, err
	}
	f.step++
	if f.wrong != nil {
		if err := f.wrong(f.step, obs); err != nil {
			f.live = false
			return sim.Result{}, err
		}
	}
	return sim.Result{}, nil
}

func (f *fake) Close() error { return nil }

func config(steps int64, wrong func(int, []float32) error) Config {
	return Config{
		Tasks: []string{"a", "b"}, Steps: steps, Workers: 3, Seed: 1, Episode: 50, Reopen: 5, Every: time.Millisecond,
		Open: func(task string) (sim.Env, error) {
			return &fake{spec: sim.Spec{
				Task: task, ObsDim: sim.StateDim + 2*sim.PoseDim, ActDim: sim.ActDim,
				PartNames: []string{"part", "obstacle"},
			}, wrong: wrong}, nil
		},
	}
}

func TestCleanRun(t *testing.T) {
	cfg := config(20000, nil)
	s, err := Run(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if s.Steps < cfg.Steps || s.Steps > cfg.Steps+4*50 || s.Broken+s.Unstable != 0 || s.Refused == 0 || s.Opened < 20 {
		t.Errorf("state %+v", s)
	}
	if a, b := s.Tasks["a"], s.Tasks["b"]; a.Steps+b.Steps != s.Steps || a.Steps < s.Steps/3 || b.Steps < s.Steps/3 {
		t.Errorf("shares %+v and %+v of %d", a, b, s.Steps)
	}
}

// TestFinds: what must not happen is found, counted and described.
func TestFinds(t *testing.T) {
	for name, c := range map[string]struct {
		wrong func(step int, obs []float32) error
		want  string
	}{
		"not finite": {
			func(step int, obs []float32) error { obs[16] = float32(math.NaN()) * float32(step/20); return nil },
			"observation 16",
		},
		"far away": {func(step int, obs []float32) error { obs[17] = float32(step) * 100; return nil }, "observation 17"},
		"error":    {func(int, []float32) error { return errors.New("something else") }, "something else"},
		"panic":    {func(int, []float32) error { panic("boom") }, "boom"},
	} {
		s, err := Run(context.Background(), config(2000, c.wrong))
		if err != nil {
			t.Fatal(err)
		}
		if s.Broken == 0 || len(s.Faults) == 0 || !strings.Contains(s.Faults[0].Error, c.want) || s.Faults[0].Step == 0 &&
			name != "panic" {
			t.Errorf("%s: %d broken, faults %+v", name, s.Broken, s.Faults)
		}
	}
	s, err := Run(context.Background(), config(2000, func(int, []float32) error { return sim.ErrUnstable }))
	if err != nil || s.Unstable == 0 || s.Broken != 0 {
		t.Errorf("unstable episodes: %+v, %v", s, err)
	}
}

// TestResume interrupts a run and goes on from what it saved.
func TestResume(t *testing.T) {
	var saved atomic.Pointer[[]byte]
	cfg := config(1<<40, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cfg.Save = func(s *State) error {
		data, err := json.Marshal(s)
		saved.Store(&data)
		if s.Steps > 5000 {
			cancel()
		}
		return err
	}
	if _, err := Run(ctx, cfg); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted run: %v", err)
	}
	var state State
	if err := json.Unmarshal(*saved.Load(), &state); err != nil {
		t.Fatal(err)
	}
	before, next := state.Steps, state.Next
	cfg.Resume, cfg.Steps = &state, before+5000
	cfg.Save = nil
	s, err := Run(context.Background(), cfg)
	if err != nil || s.Steps < cfg.Steps || s.Next <= next || s.Steps > cfg.Steps+1000 {
		t.Errorf("resumed from %d to %d of %d steps: %v", before, s.Steps, cfg.Steps, err)
	}
	cfg.Seed = 2
	if _, err := Run(context.Background(), cfg); !errors.Is(err, ErrResume) {
		t.Errorf("another seed's checkpoint: %v", err)
	}
}

func TestStopsWhenItCannotOpenOrSave(t *testing.T) {
	broken := errors.New("broken")
	cfg := config(1<<40, nil)
	cfg.Open = func(string) (sim.Env, error) { return nil, broken }
	if _, err := Run(context.Background(), cfg); !errors.Is(err, broken) {
		t.Errorf("opening fails: %v", err)
	}
	cfg = config(1<<40, nil)
	cfg.Save = func(*State) error { return broken }
	if _, err := Run(context.Background(), cfg); !errors.Is(err, broken) {
		t.Errorf("saving fails: %v", err)
	}
}

func TestGrowth(t *testing.T) {
	var flat, growing []Sample
	for i := range int64(100) {
		flat = append(flat, Sample{Bytes: 100 + i%3})
		growing = append(growing, Sample{Bytes: 100 + 2*i})
	}
	if g := Growth(flat); g != 0 {
		t.Errorf("flat memory grew by %v", g)
	}
	if g := Growth(growing); g < 0.5 {
		t.Errorf("growing memory grew by %v", g)
	}
	if Growth(flat[:5]) != 0 {
		t.Error("five samples say nothing")
	}
	if n, err := Resident(); err != nil || n < 1<<20 {
		t.Errorf("resident %d, %v", n, err)
	}
}

// TestReplay plays the episodes of a run's faults again, one by one.
func TestReplay(t *testing.T) {
	wrong := func(step int, obs []float32) error {
		obs[16] = float32(step)
		if obs[17]++; obs[17] == 23 {
			obs[17] = float32(math.Inf(1))
		}
		return nil
	}
	cfg := config(2000, wrong)
	s, err := Run(context.Background(), cfg)
	if err != nil || len(s.Faults) < 5 {
		t.Fatalf("%d faults, %v", len(s.Faults), err)
	}
	for _, f := range s.Faults[:5] {
		again, err := Replay(cfg, f.Task, f.Episode)
		if err != nil || again.Episodes != 1 || len(again.Faults) != 1 || again.Faults[0] != f || again.Broken != 1 {
			t.Errorf("%+v came back as %+v, %v", f, again, err)
		}
	}
	broken := errors.New("broken")
	cfg.Open = func(string) (sim.Env, error) { return nil, broken }
	if _, err := Replay(cfg, "a", 0); !errors.Is(err, broken) {
		t.Errorf("opening fails: %v", err)
	}
}
