//go:build mujoco

package mujoco

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"korr/sim"
	"korr/sim/envtest"
	"korr/sim/expert"
)

func open(t testing.TB, cfg Config) *Env {
	t.Helper()
	if cfg.Task == "" {
		cfg.Task = "one_leg"
	}
	return openVariant(t, cfg, *chosenVariant)
}

func TestContract(t *testing.T) {
	for _, name := range sim.TaskNames() {
		for _, perturb := range []float64{0, 1} {
			t.Run(name, func(t *testing.T) {
				envtest.Check(t, func(t *testing.T, maxSteps int) sim.Env {
					return open(t, Config{Task: name, Randomness: sim.Med, Perturb: perturb, MaxSteps: maxSteps})
				})
			})
		}
	}
}

// assemble runs the expert until the episode ends or stop says so.
func assemble(t testing.TB, e *Env, obs []float32, seed uint64, stop func(step int) bool) (sim.Result, *expert.Expert) {
	t.Helper()
	x, err := expert.New(e.task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	if err := e.Reset(obs, seed); err != nil {
		t.Fatal(err)
	}
	x.Reset(seed)
	act := make([]float32, sim.ActDim)
	for i := 0; ; i++ {
		if stop != nil && stop(i) {
			return sim.Result{}, x
		}
		if err := x.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		r, err := e.Step(obs, act)
		if err != nil {
			t.Fatal(err)
		}
		if r.Terminated || r.Truncated {
			return r, x
		}
	}
}

func TestExpertAssembles(t *testing.T) {
	for _, level := range []sim.Randomness{sim.Low, sim.Med} {
		e := open(t, Config{Randomness: level})
		obs := make([]float32, e.spec.ObsDim)
		won := 0
		for seed := range uint64(6) {
			r, _ := assemble(t, e, obs, seed, func(int) bool {
				if d := e.penetration(); d > heldDepth {
					t.Errorf("%s, seed %d: a contact %.2f mm deep", level, seed, 1e3*d)
				}
				return false
			})
			if r.Success {
				won++
				if st := e.PegState(0); math.Abs(st[0]-sim.LegPeg) > e.task.PosTolerance {
					t.Errorf("success at depth %.1f mm, seat at %.1f mm", 1e3*st[0], 1e3*sim.LegPeg)
				}
			}
		}
		if won < 5 {
			t.Errorf("%s: the expert assembled %d of 6", level, won)
		}
	}
}

// TestSnapshot restores in another environment, in the free, grasped and screwed phases, and compares every
// following observation bit for bit.
func TestSnapshot(t *testing.T) {
	for _, at := range []int{0, 50, 130, 200} {
		a, b := open(t, Config{Perturb: 1}), open(t, Config{Perturb: 1})
		obs := make([]float32, a.spec.ObsDim)
		_, x := assemble(t, a, obs, 11, func(i int) bool { return i == at })
		if at == 200 && a.PegState(0)[0] < 0.0035 {
			t.Fatal("the thread is not engaged at step 200: the test no longer tests it")
		}
		snap, err := a.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, len(obs))
		rollout := func(e *Env) (all []float32) {
			if err := e.Restore(got, snap); err != nil {
				t.Fatal(err)
			}
			act := slices.Clone(got[:sim.ActDim])
			act[9] = float32(1 - 2*(at/200)*2)
			for i := range 40 {
				act[0] += 0.001 * float32(i%5-2)
				act[2] += 0.0005
				if _, err := e.Step(got, act); err != nil {
					t.Fatal(err)
				}
				all = append(all, got...)
			}
			return all
		}
		if err := b.Restore(got, snap); err != nil || !slices.Equal(got, obs) {
			t.Errorf("step %d: restored observation differs (%v)", at, err)
		}
		if !slices.Equal(rollout(b), rollout(a)) {
			t.Errorf("step %d: the episode went on differently after restore", at)
		}
		x.Close()
	}
}

// TestWorkers steps the same episodes with one worker and with three.
func TestWorkers(t *testing.T) {
	run := func(workers int) []float32 {
		const n = 3
		var envs []sim.Env
		for range n {
			envs = append(envs, open(t, Config{Perturb: 1}))
		}
		b, err := sim.NewBatch(envs, workers)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		d := b.Spec().ObsDim
		obs, act := make([]float32, n*d), make([]float32, n*sim.ActDim)
		res, errs := make([]sim.Result, n), make([]error, n)
		if err := b.Reset(obs, []uint64{1, 2, 3}, nil); err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			for k := range n {
				copy(act[k*sim.ActDim:], obs[k*d:k*d+9])
				act[k*sim.ActDim+2] -= 0.004
				act[k*sim.ActDim+9] = float32(i%2*2 - 1)
			}
			b.Step(obs, act, nil, res, errs)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
		}
		return obs
	}
	if !slices.Equal(run(1), run(3)) {
		t.Error("the number of workers changed the result")
	}
}

func TestBrokenModels(t *testing.T) {
	task, _ := sim.TaskByName("one_leg")
	good, err := ModelXML(task)
	if err != nil {
		t.Fatal(err)
	}
	for name, xml := range map[string]string{
		"not XML":       "this is no model",
		"truncated":     good[:len(good)/2],
		"unknown body":  strings.ReplaceAll(good, `body name="leg4"`, `body name="leg9"`),
		"no thread":     strings.ReplaceAll(good, "leg4_nut", "nut"),
		"no tool":       strings.ReplaceAll(good, `site name="tool"`, `site name="hook"`),
		"negative mass": strings.ReplaceAll(good, `mass="4.97"`, `mass="-4.97"`),
	} {
		if e, err := New(Config{Task: "one_leg", ModelXML: xml}); err == nil {
			e.Close()
			t.Errorf("%s: loaded without an error", name)
		} else if !strings.Contains(err.Error(), "one_leg") {
			t.Errorf("%s: error does not name the task: %v", name, err)
		}
	}
	if _, err := New(Config{Task: "one_leg", Randomness: "extreme"}); err == nil || !strings.Contains(err.Error(),
		"low, med or high") {
		t.Errorf("unknown randomness: %v", err)
	}
}

// TestUnstable poisons the state of one environment: its episode ends with an error, a reset brings it back.
func TestUnstable(t *testing.T) {
	e := open(t, Config{})
	obs := make([]float32, e.spec.ObsDim)
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	act := slices.Clone(obs[:sim.ActDim])
	snap, err := e.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	snap.state[1+40] = math.NaN()
	if err := e.Restore(obs, snap); err == nil {
		_, err = e.Step(obs, act)
		if !errors.Is(err, sim.ErrUnstable) {
			t.Fatalf("a state that is not a number: error %v, want sim.ErrUnstable", err)
		}
	}
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Step(obs, act); err != nil {
		t.Errorf("step after recovery: %v", err)
	}
}

// TestFingerprint changes what is seen and what moves.
func TestFingerprint(t *testing.T) {
	task, _ := sim.TaskByName("one_leg")
	xml, err := ModelXML(task)
	if err != nil {
		t.Fatal(err)
	}
	hash := func(xml string) uint64 { return open(t, Config{ModelXML: xml}).physicsHash() }
	if hash(xml) != hash(strings.ReplaceAll(xml, `fovy="45"`, `fovy="50"`)) {
		t.Error("a camera changed the fingerprint")
	}
	if hash(xml) == hash(strings.ReplaceAll(xml, `mass="0.0231"`, `mass="0.0232"`)) {
		t.Error("a part's mass did not change the fingerprint")
	}
	if hash(xml) == hash(strings.ReplaceAll(xml, `friction="1.2 `, `friction="1.1 `)) {
		t.Error("a pad's friction did not change the fingerprint")
	}
}
