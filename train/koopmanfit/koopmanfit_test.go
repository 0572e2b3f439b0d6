package koopmanfit

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/dataset"
)

// base is a random base policy of one_leg, whose normalisers leave numbers as they are.
func base(t *testing.T) *residual.Policy {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	unit := func(n int) *basepolicy.Normalizer {
		return &basepolicy.Normalizer{Min: slices.Repeat([]float32{-1}, n), Max: slices.Repeat([]float32{1}, n)}
	}
	cfg := basepolicy.MLPConfig{ObsDim: task.ObsDim(), ActDim: sim.ActDim, Horizon: 8, Hidden: []int{4}}
	mlp := basepolicy.NewMLP(cfg, unit(task.ObsDim()), unit(sim.ActDim), seed.Stream(1, "base", 0))
	return &residual.Policy{Method: residual.MethodBase, Task: task.Name, Base: mlp, Execute: 8}
}

// toy is a tool that goes half of the way to its command in every step, among parts that lie still.
type toy struct {
	at    [3]float32
	steps int
	fail  error
}

func (e *toy) Spec() sim.Spec {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		panic(err)
	}
	return sim.Spec{
		Task: task.Name, ObsDim: task.ObsDim(), ActDim: sim.ActDim, MaxSteps: 40, ControlHz: 10,
		PartNames: task.PartNames(),
	}
}

func (e *toy) Reset(obs []float32, episodeSeed uint64) error {
	rng := seed.Stream(episodeSeed, "toy", 0)
	*e = toy{fail: e.fail}
	for i := range e.at {
		e.at[i] = float32(rng.Float64() - 0.5)
	}
	e.observe(obs)
	return e.fail
}

func (e *toy) observe(obs []float32) {
	clear(obs)
	copy(obs, e.at[:])
	obs[3], obs[7] = 1, 1
	for at := sim.StateDim; at < len(obs); at += sim.PoseDim {
		obs[at], obs[at+6] = 0.01*float32(at), 1
	}
}

func (e *toy) Step(obs, act []float32) (sim.Result, error) {
	for i := range e.at {
		e.at[i] += (act[i] - e.at[i]) / 2
	}
	e.steps++
	e.observe(obs)
	return sim.Result{Truncated: e.steps == e.Spec().MaxSteps}, nil
}

func (*toy) Close() error { return nil }

// demonstrations are n episodes of the toy, whose tool follows a random course.
func demonstrations(t *testing.T, n int) *dataset.Dataset {
	t.Helper()
	env := &toy{}
	spec := env.Spec()
	d := &dataset.Dataset{Info: dataset.Info{Task: spec.Task, PartNames: spec.PartNames, FPS: 10}}
	for i := range n {
		rng := seed.Stream(2, "demonstrations", uint64(i))
		obs, act := make([]float32, spec.ObsDim), make([]float32, sim.ActDim)
		if err := env.Reset(obs, uint64(i)); err != nil {
			t.Fatal(err)
		}
		var e dataset.Episode
		for k := range spec.MaxSteps {
			if k%5 == 0 {
				act[0], act[1], act[2] = float32(rng.Float64()-0.5), float32(rng.Float64()-0.5), float32(rng.Float64()-0.5)
				act[3], act[7] = 1, 1
			}
			e.State = append(e.State, obs[:sim.StateDim]...)
			e.Env = append(e.Env, obs[sim.StateDim:]...)
			e.Action = append(e.Action, act...)
			e.Reward = append(e.Reward, 0)
			if _, err := env.Step(obs, act); err != nil {
				t.Fatal(err)
			}
		}
		e.Executed = e.Action
		d.Episodes = append(d.Episodes, e)
	}
	return d
}

// small is a fit of a second on the robot's state alone.
func small() Config {
	c := DefaultConfig()
	c.Model.LatentDim, c.Model.Hidden, c.Model.Bilinear = sim.StateDim+8, []int{16}, false
	c.Training.Steps, c.Training.Horizon, c.Training.Batch = 150, 5, 16
	c.HeldOut = 0.25
	return c
}

// TestDataAreSplit: a quarter of the episodes is held out, each is on one side, and they hold what the encoder gives.
func TestDataAreSplit(t *testing.T) {
	d, c := demonstrations(t, 6), small()
	k, err := NewData(d, base(t), false, &c, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(k.train) != 4 || len(k.heldOut) != 2 || k.obsDim != sim.StateDim || k.plain != sim.StateDim {
		t.Fatalf("%d episodes to train on, %d held out, of %d values", len(k.train), len(k.heldOut), k.obsDim)
	}
	for i := range d.Episodes {
		e := &d.Episodes[i]
		near := func(a, b float32) bool { return a-b < 1e-6 && b-a < 1e-6 }
		same := func(o koopman.Episode) bool {
			return o.T == e.Len() && slices.EqualFunc(o.Obs, e.State, near) && slices.EqualFunc(o.Act, e.Executed, near)
		}
		if slices.ContainsFunc(k.train, same) == slices.ContainsFunc(k.heldOut, same) {
			t.Errorf("episode %d is on both sides, or on none", i)
		}
	}
	c.HeldOut = 0.9
	if _, err := NewData(d, base(t), false, &c, 1); err == nil || !strings.Contains(err.Error(), "none to train on") {
		t.Errorf("everything held out: %v", err)
	}
	d.Info.PartNames = d.Info.PartNames[1:]
	if _, err := NewData(d, base(t), false, &c, 1); err == nil || !strings.Contains(err.Error(), "the base policy reads") {
		t.Errorf("demonstrations of another width: %v", err)
	}
}

// TestFitPredicts: on linear dynamics the model beats that nothing changes by far, and every table has its rows.
func TestFitPredicts(t *testing.T) {
	c := small()
	k, err := NewData(demonstrations(t, 8), base(t), false, &c, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, scores, err := Fit(t.Context(), k, &c, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	rmse := map[string]float64{}
	for _, s := range OnDemonstrations.Of(scores) {
		if s.Horizon == 10 {
			rmse[s.Model] = s.RMSE
		}
	}
	if len(rmse) != 5 || !(rmse["koopman"] < 0.3*rmse["persistence"]) {
		t.Errorf("errors at 10 steps %v", rmse)
	}
	if m.SpectralRadius() > 1 {
		t.Errorf("spectral radius %g, bound 1", m.SpectralRadius())
	}
	table := Table(OnDemonstrations.Of(scores)) // 1, 5 and 10 steps: 50 is longer than an episode
	if len(table.Rows) != 5 || len(table.Columns) != 5 {
		t.Errorf("table of %d rows and columns %v", len(table.Rows), table.Columns)
	}
	if _, err := Figure(scores); err != nil {
		t.Error(err)
	}
	c.HeldOut = 0
	if k, err = NewData(demonstrations(t, 2), base(t), false, &c, 1); err != nil {
		t.Fatal(err)
	}
	if _, scores, err := Fit(t.Context(), k, &c, 1, nil); err != nil || scores == nil || len(scores) > 0 {
		t.Errorf("without held-out episodes: %v, %v", scores, err)
	}
}

// TestRollouts: episodes of the base policy end where a residual's training would end them, are split, and hold the
// base's action with the noise that was asked for.
func TestRollouts(t *testing.T) {
	c := small()
	play := func(change func(*Rollouts)) (*Data, error) {
		k, err := NewData(demonstrations(t, 4), base(t), false, &c, 1)
		if err != nil {
			t.Fatal(err)
		}
		r := Rollouts{
			Policy: base(t), Open: func() (sim.Env, error) { return &toy{}, nil }, Workers: 2, Episodes: 5, HeldOut: 0.25,
			Seed: 3,
		}
		change(&r)
		return k, k.AddRollouts(t.Context(), r)
	}
	quiet, err := play(func(r *Rollouts) { r.FailAfter, r.MaxSteps = 7, 9 })
	if err != nil {
		t.Fatal(err)
	}
	if len(quiet.train) != 3+3 || len(quiet.heldOutRollouts) != 2 {
		t.Errorf("%d episodes to train on, %d rollouts held out", len(quiet.train), len(quiet.heldOutRollouts))
	}
	noisy, err := play(func(r *Rollouts) { r.MaxSteps, r.Sigma, r.Rho = 9, 0.05, 0.5 })
	if err != nil {
		t.Fatal(err)
	}
	a, b := quiet.heldOutRollouts[0], noisy.heldOutRollouts[0]
	if a.T != 7 || b.T != 9 || len(a.Obs) != 7*sim.StateDim || len(b.Act) != 9*sim.ActDim {
		t.Errorf("episodes of %d and %d steps, want 7 without progress and 9 at most", a.T, b.T)
	}
	if !slices.Equal(a.Obs[:sim.StateDim], b.Obs[:sim.StateDim]) {
		t.Error("the same episode begins elsewhere")
	}
	for j := range sim.ActDim {
		if d := b.Act[j] - a.Act[j]; d == 0 || d > 0.3 || d < -0.3 {
			t.Errorf("action %d differs by %g from the base's, want noise of 0.05", j, d)
		}
	}
	for name, change := range map[string]func(*Rollouts){
		"koopman.rollouts=0": func(r *Rollouts) { r.Open = func() (sim.Env, error) { return nil, errors.New("no engine") } },
		"broken": func(r *Rollouts) {
			r.Open = func() (sim.Env, error) {
				return &toy{fail: errors.New("broken")},
					nil
			}
		},
		"none to learn from": func(r *Rollouts) { r.Episodes = 1 },
	} {
		if _, err := play(change); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}
