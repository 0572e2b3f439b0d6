package collect

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/seed"
	"korr/sim"
	"korr/train/dataset"
)

// bench is a scene of one_leg in which the hand takes the leg along once it is lifted, for as long as the fingers are
// shut, and an episode is solved by lifting it to 0.4 m. After 300 steps it is over.
type bench struct {
	task   *sim.Task
	steps  int
	pushes float64
	leg    geom.Vec3
}

func (b *bench) Spec() sim.Spec {
	return sim.Spec{
		Task: "one_leg", ObsDim: b.task.ObsDim(), ActDim: sim.ActDim, MaxSteps: 300, ControlHz: 10,
		PartNames: b.task.PartNames(),
	}
}
func (b *bench) Close() error                { return nil }
func (b *bench) SetPerturb(strength float64) { b.pushes = strength }

func (b *bench) Reset(obs []float32, _ uint64) error {
	b.steps, b.leg = 0, geom.Vec3{0.5, 0.2, 0.015}
	b.show(obs, geom.Vec3{0.5, 0.2, 0.015})
	return nil
}

func (b *bench) show(obs []float32, tool geom.Vec3) {
	clear(obs)
	for i := range b.task.PartNames() {
		geom.PoseTo(layout.Part(i).Of(obs), geom.TagFrame.Inv().Mul(geom.Pose{
			P: geom.Vec3{0.5, -0.2, 0.02},
			Q: geom.Quat{0, 0, 0, 1},
		}))
	}
	p := &b.task.Pairs[0]
	geom.PoseTo(layout.Part(p.Second).Of(obs), geom.TagFrame.Inv().Mul(geom.Pose{P: b.leg, Q: geom.Quat{0, 0, 0, 1}}))
	layout.ToolTo(obs, geom.Pose{P: tool, Q: geom.Quat{1, 0, 0, 0}})
}

func (b *bench) Step(obs, act []float32) (sim.Result, error) {
	tool := geom.VecAt(act)
	if act[9] > 0 {
		b.leg = tool
	} else {
		b.leg[2] = 0.015
	}
	b.show(obs, tool)
	b.steps++
	ok := b.leg[2] > 0.39
	return sim.Result{Success: ok, Terminated: ok, Truncated: !ok && b.steps >= 300}, nil
}

// lifter raises the tool by a centimetre a step with shut fingers; after so many steps it lets go and goes on.
type lifter struct{ release, steps int }

func (l *lifter) Reset(uint64) { l.steps = 0 }

func (l *lifter) ActTo(act, obs []float32) error {
	copy(act, obs[:sim.ActDim-1])
	act[2] = min(act[2]+0.01, 0.45)
	if act[9] = 1; l.steps >= l.release {
		act[9] = -1
	}
	l.steps++
	return nil
}

func recovery(t *testing.T, release int) (*Recovery, Config, Factory) {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	r := &Recovery{
		Policy: "lifter", New: func() (sim.Policy, error) { return &lifter{release: release}, nil }, Task: task,
		Stages: []sim.StageTime{{Pair: 0, Stage: sim.Grasp, P95: 3, Longest: 3}, {
			Pair: 0, Stage: sim.Insert, P95: 10,
			Longest: 7,
		}, {Pair: 0, Stage: sim.Fasten, P95: 30, Longest: 20}},
	}
	c := Config{Episodes: 20, OnlySuccess: true, Seed: 1, Recovery: r, Origin: dataset.Episode{Perturb: 1}}
	return r, c, func() (sim.Env, sim.Policy, error) { return &bench{task: task}, &lifter{release: math.MaxInt}, nil }
}

func info(task *sim.Task) dataset.Info {
	return dataset.Info{Task: task.Name, FPS: 10, PartNames: task.PartNames()}
}

// TestTakeOver: of a policy that lets go in mid-air half of the episodes are taken over when the part is lost, the
// others at any time before demonstrations end, and only what the demonstrator did is kept.
func TestTakeOver(t *testing.T) {
	r, c, factory := recovery(t, 20)
	d := &dataset.Dataset{Info: info(r.Task)}
	p, err := Collect(context.Background(), factory, d, c)
	if err != nil {
		t.Fatal(err)
	}
	if p.Takeovers[Lost] == 0 || p.Takeovers[AtRandom] == 0 || p.Takeovers[Stalled] != 0 ||
		p.Recovered[Lost]+p.Recovered[AtRandom] != 20 {
		t.Errorf("taken over %v, solved %v", p.Takeovers, p.Recovered)
	}
	steps := 0
	for i := range d.Episodes {
		e := &d.Episodes[i]
		lost := strings.Contains(e.Recovery, `"cause":"lost"`)
		if !strings.Contains(e.Recovery, `"policy":"lifter"`) || lost && !strings.Contains(e.Recovery, `"step":25`) {
			t.Errorf("episode %d was taken over from %s", i, e.Recovery)
		}
		for k := range e.Len() {
			if e.ActionAt(k)[9] != 1 {
				t.Fatalf("episode %d, frame %d is the policy's", i, k)
			}
		}
		steps += e.Len()
	}
	if steps != p.Frames || p.Steps <= p.Frames {
		t.Errorf("%d frames, %d counted, %d steps", steps, p.Frames, p.Steps)
	}
}

// TestStall: a policy that never gets beyond lifting is taken over when it has taken longer than any demonstration.
func TestStall(t *testing.T) {
	r, _, factory := recovery(t, math.MaxInt)
	env, _, err := factory()
	if err != nil {
		t.Fatal(err)
	}
	obs, g := make([]float32, env.Spec().ObsDim), r.Task.NewProgress()
	if err := env.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	waited := 0
	for g.Observe(obs); !r.stalled(g); g.Observe(obs) {
		waited++
	}
	if want := 3 + stallSlack + 1; waited != want {
		t.Errorf("stalled after %d steps, want %d", waited, want)
	}
}

// TestSolvedWithoutHelp: where the policy does it alone there is nothing to recover from.
func TestSolvedWithoutHelp(t *testing.T) {
	r, c, factory := recovery(t, math.MaxInt)
	r.Stages = []sim.StageTime{{Pair: 0, Stage: sim.Grasp, P95: 1, Longest: 1000}, {
		Pair: 0, Stage: sim.Insert, P95: 1,
		Longest: 1000,
	}}
	c.Episodes, c.MaxAttempts = 20, 20
	p, err := Collect(context.Background(), factory, &dataset.Dataset{Info: info(r.Task)}, c)
	if !errors.Is(err, ErrTooFew) || p.Takeovers[AtRandom] != p.Kept || p.Kept == 0 || p.Kept == 20 || p.Failure != nil {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestCalm: pushes end with the policy's part and begin again with the next attempt.
func TestCalm(t *testing.T) {
	r, _, factory := recovery(t, 20)
	r.Calm = true
	env, _, err := factory()
	if err != nil {
		t.Fatal(err)
	}
	obs := make([]float32, env.Spec().ObsDim)
	w := &worker{env: env, roller: &watcher{lifter: lifter{release: 20}, env: env.(*bench), t: t}}
	for range 3 {
		if err := env.Reset(obs, 1); err != nil {
			t.Fatal(err)
		}
		e := &dataset.Episode{Perturb: 2}
		if took, _, err := r.begin(context.Background(), w, e, obs, seed.Stream(3, "test", 0)); err != nil || took == nil ||
			env.(*bench).pushes != 0 {
			t.Fatalf("%v, %v, pushes %v", took, err, env.(*bench).pushes)
		}
	}
	w.env = &pointEnv{}
	if _, _, err := r.begin(context.Background(), w, &dataset.Episode{}, obs, seed.Stream(3, "test", 0)); err == nil {
		t.Error("an environment whose pushes cannot be stopped was accepted")
	}
}

// watcher is a lifter that wants pushes while it acts.
type watcher struct {
	lifter
	env *bench
	t   *testing.T
}

func (w *watcher) ActTo(act, obs []float32) error {
	if w.env.pushes != 2 {
		w.t.Errorf("pushes of %v while the policy acts", w.env.pushes)
	}
	return w.lifter.ActTo(act, obs)
}

func TestRecoveryRefuses(t *testing.T) {
	for name, change := range map[string]func(r *Recovery){
		"no policy":  func(r *Recovery) { r.New = nil },
		"no stages":  func(r *Recovery) { r.Stages = nil },
		"no success": func(r *Recovery) { r.Stages = []sim.StageTime{{Stage: sim.Grasp}} },
	} {
		r, c, factory := recovery(t, 20)
		change(r)
		if _, err := Collect(context.Background(), factory, &refusing{9}, c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
