package ppo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/run"
)

// newTestTrainer makes a trainer over the given environments, at its first observations.
func newTestTrainer(t *testing.T, cfg RunConfig, in Inputs) *trainer {
	t.Helper()
	tr, err := newTrainer(&cfg, &in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.close(); err != nil {
			t.Error(err)
		}
	})
	if err := tr.rollout.restart(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestRolloutKeepsEpisodesApart: advantages stop at an episode's end, o' is the observation before the reset, time-outs
// bootstrap or not, and a step lost to an error teaches nothing.
func TestRolloutKeepsEpisodesApart(t *testing.T) {
	for _, bootstrap := range []bool{true, false} {
		cfg := pointConfig(residual.MethodResiP)
		cfg.Envs, cfg.NumSteps, cfg.NormalizeReward, cfg.BootstrapTimeouts = 3, 40, false, bootstrap
		in := pointInputs()
		in.NewEnv = func(i int) (sim.Env, error) {
			e := &pointEnv{}
			if i == 1 {
				e.broken = func(step int) error {
					if step == 5 {
						return errBroken
					}
					return nil
				}
			}
			if i == 2 {
				e.blind = func(step int) bool { return step == 7 }
			}
			return e, nil
		}
		tr := newTestTrainer(t, cfg, in)
		ro, d := tr.rollout, tr.rollout.dims
		last := tr.agent.Critic.Params() // V = 0.25 everywhere
		clear(last[len(last)-2].Data)
		if err := ro.collect(tr.agent); err != nil {
			t.Fatal(err)
		}
		at := func(t, i int) int { return t*3 + i }
		for i, length := range []int{pointSteps, 5, 7} {
			checkRows(t, ro, i, length, bootstrap)
		}
		if rows := ro.valid(nil); len(rows) != 120-8-5 {
			t.Errorf("%d valid rows", len(rows))
		}
		tr.rollout.gather(&tr.batch, []int{at(2, 0), at(15, 0)})
		if b := &tr.batch; b.N != 2 || !slices.Equal(b.Pairs.Next[d.Obs:], ro.next[at(15, 0)*d.Obs:(at(15, 0)+1)*d.Obs]) ||
			!slices.Equal(b.Pairs.U[:d.Act], ro.u[at(2, 0)*d.Act:(at(2, 0)+1)*d.Act]) || b.Return[1] != ro.ret[at(15, 0)] {
			t.Error("gathered other rows")
		}
		if s := ro.stats; s.ended != 2 || s.timeouts != 2 || s.errors != 8+5 {
			t.Errorf("%+v", s)
		}
	}
}

// checkRows looks at the 40 steps of environment i of three, whose episodes have that length.
func checkRows(t *testing.T, ro *rollout, i, length int, bootstrap bool) {
	t.Helper()
	d := ro.dims
	at := func(s int) int { return s*3 + i }
	obs := func(k int) []float32 { return ro.x[k*d.X : k*d.X+d.Obs] }
	for s := range 40 {
		k, last := at(s), s%length == length-1
		if begins := s%length == 0; (ro.done[k] == 1) != begins {
			t.Fatalf("environment %d, step %d: begins %v", i, s, ro.done[k])
		}
		if lost := last && i > 0; ro.lost[k] != lost {
			t.Fatalf("environment %d, step %d: lost %v", i, s, ro.lost[k])
		}
		if ro.lost[k] {
			if ro.adv[k] != 0 {
				t.Errorf("a lost step has advantage %g", ro.adv[k])
			}
			continue
		}
		if s == 39 {
			continue
		}
		next := ro.next[k*d.Obs : (k+1)*d.Obs]
		if same := slices.Equal(next, obs(at(s+1))); same == last {
			t.Errorf("environment %d, step %d of %d: o' equal to the next row's %v", i, s, length, same)
		}
		if last { // a time-out, with the sparse reward of zero
			want := -0.25
			if bootstrap {
				want += ro.cfg.Gamma * 0.25
			}
			if math.Abs(float64(ro.adv[k])-want) > 1e-6 {
				t.Errorf("the last step has advantage %g, want %g", ro.adv[k], want)
			}
		}
	}
}

// TestExecutedActions: u = u_b + alpha r, and the density stored is the sample's.
func TestExecutedActions(t *testing.T) {
	cfg := pointConfig(residual.MethodResiP)
	cfg.Envs, cfg.NumSteps, cfg.Alpha = 2, 3, 0.25
	tr := newTestTrainer(t, cfg, pointInputs())
	ro, d := tr.rollout, tr.rollout.dims
	if err := ro.collect(tr.agent); err != nil {
		t.Fatal(err)
	}
	zero := make([]float32, d.Act) // the mean of an untrained residual
	for k := range 6 {
		r := ro.r[k*d.Act : (k+1)*d.Act]
		for j := range d.Act {
			if want := ro.x[k*d.X+d.Obs+j] + 0.25*r[j]; ro.u[k*d.Act+j] != want {
				t.Fatalf("row %d executed %g, want %g", k, ro.u[k*d.Act+j], want)
			}
		}
		if want := LogProb(r, zero, tr.agent.LogStd); math.Abs(want-float64(ro.logProb[k])) > 1e-5 {
			t.Errorf("row %d: log density %g, want %g", k, ro.logProb[k], want)
		}
	}
}

func TestUpdateStopsAtTargetKL(t *testing.T) {
	for kl, want := range map[float64]int{0: 6, 1e-9: 2} {
		cfg := pointConfig(residual.MethodResiP)
		cfg.UpdateEpochs, cfg.TargetKL, cfg.NumMinibatches = 6, kl, 1
		tr := newTestTrainer(t, cfg, pointInputs())
		if err := tr.rollout.collect(tr.agent); err != nil {
			t.Fatal(err)
		}
		if _, epochs, err := tr.update(); err != nil || epochs != want { // the first epoch starts at a KL of zero
			t.Errorf("target_kl %g: %d epochs, want %d; %v", kl, epochs, want, err)
		}
	}
}

// TestRunsRepeat: the same seed gives the same weights, whatever the number of workers; another seed gives others.
func TestRunsRepeat(t *testing.T) {
	in := pointInputs()
	train := func(workers int, s uint64) []float32 {
		cfg := pointConfig(residual.MethodResiP)
		cfg.Workers, cfg.Seed, cfg.Iterations, cfg.Envs, cfg.NumMinibatches = workers, s, 3, 5, 3
		p, err := Train(t.Context(), cfg, in)
		if err != nil {
			t.Fatal(err)
		}
		return p.Actor.Params()[0].Data
	}
	first := train(1, 1)
	if !slices.Equal(first, train(3, 1)) {
		t.Error("workers change the result")
	}
	if slices.Equal(first, train(1, 2)) {
		t.Error("the seed does not")
	}
}

func TestRunFolder(t *testing.T) {
	folder, err := run.Create(t.TempDir()+"/run", []byte("x: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := pointInputs()
	in.Run = folder
	if in.Koopman, err = koopman.New(koopman.Config{ObsDim: pointObs, ActDim: sim.ActDim, LatentDim: 12, Hidden: []int{8}},
		seed.Stream(1, "koopman", 0)); err != nil {
		t.Fatal(err)
	}
	seen := 0
	in.Progress = func(i int, v map[string]float64) { seen = i }
	cfg := pointConfig(residual.MethodKORR)
	cfg.Iterations = 2
	p, err := Train(t.Context(), cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	q, err := residual.Load(folder.Checkpoint("last"), in.Base)
	if err != nil {
		t.Fatal(err)
	}
	if q.Method != residual.MethodKORR || q.Squash != residual.Linear || !slices.Equal(q.Actor.Params()[2].Data,
		p.Actor.Params()[2].Data) || !strings.Contains(q.Meta["config"], `"clip_coef":0.2`) {
		t.Errorf("%+v", q)
	}
	lines, err := folder.Metrics()
	if err != nil || len(lines) != 2 || seen != 2 || lines[1].Step != 2*16*32 || lines[1].Values["koopman_loss"] <= 0 {
		t.Errorf("%v, %d iterations seen, %+v", err, seen, lines)
	}
}

func TestTrainStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	in := pointInputs()
	in.Progress = func(i int, _ map[string]float64) {
		if i == 2 {
			cancel()
		}
	}
	if _, err := Train(ctx, pointConfig(residual.MethodResiP), in); !errors.Is(err, context.Canceled) ||
		!strings.Contains(err.Error(), "iteration 2") {
		t.Errorf("%v", err)
	}
	var log bytes.Buffer
	in = pointInputs()
	in.Log = slog.New(slog.NewTextHandler(&log, nil))
	in.NewEnv = func(int) (sim.Env, error) {
		return &pointEnv{broken: func(int) error { return errBroken }}, nil
	}
	cfg := pointConfig(residual.MethodResiP)
	cfg.Iterations = 1
	if _, err := Train(t.Context(), cfg, in); err != nil { // nothing learned, nothing spoiled
		t.Error(err)
	}
	if !strings.Contains(log.String(), "an episode was given up") {
		t.Errorf("log %q", log.String())
	}
}

func TestTrainRefuses(t *testing.T) {
	for want, change := range map[string]func(*RunConfig, *Inputs){
		"needs a Koopman model": func(c *RunConfig, _ *Inputs) { c.Method = "korr" },
		"method":                func(c *RunConfig, _ *Inputs) { c.Method = "sac" },
		"clip_coef":             func(c *RunConfig, _ *Inputs) { c.ClipCoef = 2 },
		"iterations":            func(c *RunConfig, _ *Inputs) { c.Iterations = -1 },
		"num_minibatches":       func(c *RunConfig, _ *Inputs) { c.NumMinibatches = 1000 },
		"alpha":                 func(c *RunConfig, _ *Inputs) { c.Alpha = 0 },
		"chunks have 8 actions": func(c *RunConfig, _ *Inputs) { c.Execute = 9 },
		"a base policy":         func(_ *RunConfig, in *Inputs) { in.Base = nil },
		"environment 0: broke": func(_ *RunConfig, in *Inputs) {
			in.NewEnv = func(int) (sim.Env, error) {
				return nil,
					errBroken
			}
		},
		"another task": func(_ *RunConfig, in *Inputs) {
			in.NewEnv = func(int) (sim.Env, error) { return widerEnv{&pointEnv{}}, nil }
		},
	} {
		cfg, in := pointConfig(residual.MethodResiP), pointInputs()
		change(&cfg, &in)
		if _, err := Train(t.Context(), cfg, in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %q, got %v", want, err)
		}
	}
}

// widerEnv claims another width.
type widerEnv struct{ *pointEnv }

func (e widerEnv) Spec() sim.Spec {
	s := e.pointEnv.Spec()
	s.ObsDim += 7
	return s
}
