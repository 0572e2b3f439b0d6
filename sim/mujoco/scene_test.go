//go:build mujoco

package mujoco

import (
	"math"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/expert"
)

func sceneEnv(t *testing.T, cfg Config) (*Env, *Watch) {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	w, err := NewWatch(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, w
}

// TestSceneListsEveryTask: every part and every finger can be drawn, with a size and a colour, and frames fit the
// scene.
func TestSceneListsEveryTask(t *testing.T) {
	for _, task := range sim.TaskNames() {
		e, w := sceneEnv(t, Config{Task: task})
		s, err := e.Scene()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, b := range s.Bodies {
			names = append(names, b.Name)
		}
		for _, want := range append(e.Spec().PartNames, "link7", "hand", "finger1", "finger2") {
			i := slices.Index(names, want)
			if i < 0 || s.Bodies[i].Part != slices.Contains(e.Spec().PartNames, want) {
				t.Errorf("%s: body %q is missing or not told from the arm: %v", task, want, s.Bodies)
			}
		}
		for i, g := range s.Geoms {
			if g.Size[0] <= 0 || g.RGBA[3] <= 0 || g.Body >= len(s.Bodies) {
				t.Errorf("%s: geometry %d is %+v", task, i, g)
			}
		}
		var f SceneFrame
		obs := make([]float32, e.Spec().ObsDim)
		if err := e.Reset(obs, 3); err != nil {
			t.Fatal(err)
		}
		w.FrameTo(&f)
		if len(f.Poses) != len(s.Bodies) || len(f.Contacts) == 0 {
			t.Errorf("%s: %d poses for %d bodies, %d contacts", task, len(f.Poses), len(s.Bodies), len(f.Contacts))
		}
		for _, c := range f.Contacts {
			if n := c.Normal.Norm(); math.Abs(n-1) > 1e-6 {
				t.Errorf("%s: normal of length %g", task, n)
			}
		}
	}
}

// TestWatchedEpisodeIsTheSame: stepping in parts changes no bit, with and without perturbations.
func TestWatchedEpisodeIsTheSame(t *testing.T) {
	for _, perturb := range []float64{0, 1} {
		cfg := Config{Task: "one_leg", Perturb: perturb}
		a, _ := sceneEnv(t, cfg)
		b, w := sceneEnv(t, cfg)
		oa, ob, act := make([]float32, a.Spec().ObsDim), make([]float32, a.Spec().ObsDim), make([]float32, sim.ActDim)
		if err := a.Reset(oa, 5); err != nil {
			t.Fatal(err)
		}
		if err := b.Reset(ob, 5); err != nil {
			t.Fatal(err)
		}
		task, _ := sim.TaskByName("one_leg")
		p, err := expert.New(task, expert.Config{})
		if err != nil {
			t.Fatal(err)
		}
		p.Reset(5)
		defer p.Close()
		for step := range 120 {
			if err := p.ActTo(act, oa); err != nil {
				t.Fatal(err)
			}
			ra, ea := a.Step(oa, act)
			seen := 0
			rb, eb := w.Step(ob, act, []int{1, 4, 20}[step%3], 0, 0, func(int) { seen++ })
			if ea != nil || eb != nil || ra != rb || !slices.Equal(oa, ob) || a.penetration() != b.penetration() {
				t.Fatalf("perturb %g, step %d: %+v %v, watched %+v %v", perturb, step, ra, ea, rb, eb)
			}
			if seen != []int{1, 4, 20}[step%3] {
				t.Fatalf("step %d was seen %d times", step, seen)
			}
		}
	}
}

// TestWatchPushes: a push moves the parts, once.
func TestWatchPushes(t *testing.T) {
	e, w := sceneEnv(t, Config{Task: "one_leg", Perturb: 1})
	obs := make([]float32, e.Spec().ObsDim)
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	act := make([]float32, sim.ActDim)
	copy(act, obs[:9])
	act[9] = -1
	before := slices.Clone(obs)
	if _, err := w.Step(obs, act, 4, 3, 7, func(int) {}); err != nil {
		t.Fatal(err)
	}
	moved := 0.0
	for k := range 3 {
		moved = math.Hypot(moved, float64(obs[sim.StateDim+k]-before[sim.StateDim+k]))
	}
	if moved < 1e-3 {
		t.Errorf("the top moved %g m after a push of three times the published strength", moved)
	}
	if e.cfg.Perturb != 1 || e.s.has_push != 0 || e.s.substeps != substeps {
		t.Error("the push left something behind")
	}
	if _, err := w.Step(obs, act, 3, 0, 0, func(int) {}); err == nil {
		t.Error("3 frames do not divide a control step")
	}
	if err := w.SetPerturb(math.NaN()); err == nil {
		t.Error("a strength that is not a number was taken")
	}
}

// TestPutShowsObservations: what an episode observed is drawn where it was: parts exactly, the tool within 0.1 mm.
func TestPutShowsObservations(t *testing.T) {
	live, _ := sceneEnv(t, Config{Task: "one_leg"})
	_, w := sceneEnv(t, Config{Task: "one_leg"})
	obs, act := make([]float32, live.Spec().ObsDim), make([]float32, sim.ActDim)
	if err := live.Reset(obs, 2); err != nil {
		t.Fatal(err)
	}
	task, _ := sim.TaskByName("one_leg")
	p, err := expert.New(task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.Reset(2)
	defer p.Close()
	scene, err := live.Scene()
	if err != nil {
		t.Fatal(err)
	}
	var f SceneFrame
	for step := range 200 {
		if err := w.Put(obs); err != nil {
			t.Fatal(err)
		}
		w.FrameTo(&f)
		if len(f.Contacts) != 0 {
			t.Fatal("a recorded observation has no contacts")
		}
		hand := f.Poses[slices.IndexFunc(scene.Bodies, func(b SceneBody) bool { return b.Name == "hand" })]
		tool := hand.Apply(geom.Vec3{0, 0, 0.1034})
		if d := tool.Sub(geom.VecAt(obs)).Norm(); d > 1e-4 {
			t.Fatalf("step %d: the tool is drawn %.2f mm from where it was", step, 1000*d)
		}
		top := f.Poses[slices.IndexFunc(scene.Bodies, func(b SceneBody) bool { return b.Name == "top" })]
		if d := top.P.Sub(geom.TagFrame.Apply(geom.VecAt(obs[sim.StateDim:]))).Norm(); d > 1e-6 {
			t.Fatalf("step %d: the top is drawn %g m from where it was", step, d)
		}
		if err := p.ActTo(act, obs); err != nil {
			t.Fatal(err)
		}
		if _, err := live.Step(obs, act); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	if err := w.Put(obs[:3]); err == nil {
		t.Error("a short observation was taken")
	}
	obs[4] = float32(math.Inf(1))
	if err := w.Put(obs); err == nil {
		t.Error("an infinite observation was taken")
	}
}
