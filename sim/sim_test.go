package sim

import (
	"errors"
	"math"
	"strings"
	"testing"

	"korr/internal/geom"
)

func mustTask(t *testing.T, name string) *Task {
	t.Helper()
	task, err := TaskByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

func TestTaskByName(t *testing.T) {
	if _, err := TaskByName("sofa"); err == nil || !strings.Contains(err.Error(), "one_leg") {
		t.Errorf("unknown task: %v, want an error that lists the known ones", err)
	}
	task := mustTask(t, "one_leg")
	if task.ObsDim() != 58 || len(task.PartNames()) != 6 || task.PartNames()[5] != "obstacle" {
		t.Errorf("one_leg observes %d values of %v", task.ObsDim(), task.PartNames())
	}
	task.Parts[0].Mass = 9
	if mustTask(t, "one_leg").Parts[0].Mass == 9 {
		t.Error("a task was changed for everybody")
	}
	for i, target := range task.Pairs[0].Targets {
		mouth := task.Pairs[0].Mouth(i)
		if math.Abs(mouth[1]-TopHalfY) > 1e-12 || mouth[0] != target[0] || mouth[2] != target[2] {
			t.Errorf("hole %d opens at %v, want it on the top's surface above %v", i, mouth, target)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		r                   Randomness
		force, obstacle, jo float64
	}{{Low, 0.2, 0.02, 5}, {Med, 0.5, 0.04, 10}, {High, 0.75, 0.06, 13}} {
		l, err := c.r.Level()
		if err != nil || l.Force != c.force || l.Obstacle != c.obstacle || math.Abs(l.Joint*180/math.Pi-c.jo) > 1e-9 {
			t.Errorf("%s: %+v, %v", c.r, l, err)
		}
	}
	if _, err := Randomness("none").Level(); err == nil {
		t.Error("an unknown randomness was accepted")
	}
}

// assembled is the second part's pose for target k, turned about its axis by yaw and displaced.
func assembled(task *Task, k int, yaw float64, d geom.Vec3, tilt float64) (first, second geom.Pose) {
	first = geom.Pose{P: geom.Vec3{0.5, 0.1, 0.015}, Q: geom.AxisAngle(geom.Vec3{1, 0, 0}, math.Pi/2)}
	q := geom.AxisAngle(geom.Vec3{1, 0, 0}, tilt).Mul(geom.AxisAngle(geom.Vec3{0, 1, 0}, yaw))
	p := geom.Vec3(task.Pairs[0].Targets[k]).Add(d)
	return first, first.Mul(geom.Pose{P: p, Q: q})
}

func TestAssembled(t *testing.T) {
	task := mustTask(t, "one_leg")
	deg := math.Pi / 180
	for _, c := range []struct {
		name      string
		yaw, tilt float64
		d         geom.Vec3
		want      bool
	}{
		{"exact", 0, 0, geom.Vec3{}, true},
		{"quarter turn: a square leg looks the same", math.Pi / 2, 0, geom.Vec3{}, true},
		{"19 degrees about its axis", 19 * deg, 0, geom.Vec3{}, true},
		{"21 degrees about its axis", 21 * deg, 0, geom.Vec3{}, false},
		{"45 degrees about its axis", 45 * deg, 0, geom.Vec3{}, false},
		{"tilted by 25 degrees", 0, 25 * deg, geom.Vec3{}, false},
		{"4.9 mm off in each axis", 0, 0, geom.Vec3{0.0049, -0.0049, 0.0049}, true},
		{"5.1 mm too high", 0, 0, geom.Vec3{0, 0.0051, 0}, false},
		{"5.1 mm to the side", 0, 0, geom.Vec3{0.0051, 0, 0}, false},
	} {
		for k := range task.Pairs[0].Targets {
			first, second := assembled(task, k, c.yaw, c.d, c.tilt)
			if got := task.Assembled(&task.Pairs[0], first, second); got != c.want {
				t.Errorf("%s, hole %d: assembled %v, want %v", c.name, k, got, c.want)
			}
		}
	}
}

func TestJudgePaysOnce(t *testing.T) {
	task := mustTask(t, "one_leg")
	j := NewJudge(task)
	poses := make([]geom.Pose, len(task.Parts))
	for i := range poses {
		poses[i] = geom.IdentityPose
	}
	if r, ok := j.Score(poses); r != 0 || ok {
		t.Errorf("apart: reward %v, success %v", r, ok)
	}
	poses[0], poses[4] = assembled(task, 2, 0, geom.Vec3{}, 0)
	if r, ok := j.Score(poses); r != 1 || !ok {
		t.Errorf("assembled: reward %v, success %v", r, ok)
	}
	if r, ok := j.Score(poses); r != 0 || !ok {
		t.Errorf("still assembled: reward %v, success %v", r, ok)
	}
	j.Reset()
	if r, _ := j.Score(poses); r != 1 {
		t.Errorf("after a reset: reward %v", r)
	}
}

// observation places top, leg4 and tool; the rest is irrelevant to the features.
func observation(task *Task, top, leg, tool geom.Pose) []float32 {
	obs := make([]float32, task.ObsDim())
	geom.VecTo(obs, tool.P)
	geom.Rot6DTo(obs[3:9], tool.Q)
	for i := range task.Parts {
		geom.PoseTo(obs[StateDim+PoseDim*i:], geom.IdentityPose)
	}
	tag := geom.TagFrame.Inv()
	geom.PoseTo(obs[StateDim:], tag.Mul(top))
	geom.PoseTo(obs[StateDim+PoseDim*4:], tag.Mul(leg))
	return obs
}

func TestFeatures(t *testing.T) {
	task := mustTask(t, "one_leg")
	f := task.NewFeatures()
	seat := task.Pairs[0].Thread.Seat
	// The tip 3 mm beside the mouth and 2 mm above it, turned by 0.1 rad about its axis; the tool 12 mm from the leg.
	first, second := assembled(task, 1, 0.1, geom.Vec3{0.003, seat + 0.002, 0}, 0)
	tool := geom.Pose{P: second.P.Add(geom.Vec3{0.012, 0, 0}), Q: geom.IdentityQuat}
	x := make([]float32, f.Dim())
	f.FeaturesTo(x, observation(task, first, second, tool))
	want := []float64{
		math.Tanh(0.3), math.Tanh(0.2), 0, 0.03, 0.02, 0, 0, 0, math.Cos(0.4), math.Sin(0.4), -0.4, 0, 0,
	}
	for i, w := range want {
		if math.Abs(float64(x[i])-w) > 1e-4 {
			t.Errorf("feature %d is %.5f, want %.5f", i, x[i], w)
		}
	}
	detail := make([]float32, f.DetailDim())
	f.DetailTo(detail, observation(task, first, second, tool))
	for i, w := range []float64{math.Tanh(1.5), math.Tanh(1), 0} {
		if math.Abs(float64(detail[i])-w) > 1e-3 {
			t.Errorf("detail %d is %.5f, want %.5f", i, detail[i], w)
		}
	}
	if n := testing.AllocsPerRun(100, func() { f.DetailTo(detail, observationScratch) }); n != 0 {
		t.Errorf("%v allocations of the details", n)
	}
	// A quarter turn of the square leg and a rigid motion of the whole scene change nothing but the tool's frame.
	_, turned := assembled(task, 1, 0.1+math.Pi/2, geom.Vec3{0.003, seat + 0.002, 0}, 0)
	y := make([]float32, f.Dim())
	f.FeaturesTo(y, observation(task, first, turned, tool))
	for i := range x {
		if math.Abs(float64(x[i]-y[i])) > 1e-4 {
			t.Errorf("feature %d changed from %.5f to %.5f when the leg made a quarter turn", i, x[i], y[i])
		}
	}
	if n := testing.AllocsPerRun(100, func() { f.FeaturesTo(y, observationScratch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var observationScratch = func() []float32 {
	task, _ := TaskByName("one_leg")
	return observation(task, geom.IdentityPose, geom.IdentityPose, geom.IdentityPose)
}()

// flaky is an environment that fails in its third step.
type flaky struct {
	n      int
	fail   bool
	closed bool
}

var errFlaky = errors.New("engine lost")

func (f *flaky) Spec() Spec { return Spec{Task: "t", ObsDim: 1, ActDim: 1, MaxSteps: 9, ControlHz: 10} }

func (f *flaky) Reset(obs []float32, seed uint64) error {
	f.n = 0
	obs[0] = float32(seed)
	return nil
}

func (f *flaky) Step(obs, act []float32) (Result, error) {
	f.n++
	if f.fail && f.n == 3 {
		return Result{}, errFlaky
	}
	obs[0] += act[0]
	return Result{Reward: act[0]}, nil
}
func (f *flaky) Close() error { f.closed = true; return nil }

func TestBatch(t *testing.T) {
	envs := []*flaky{{}, {fail: true}, {}}
	b, err := NewBatch([]Env{envs[0], envs[1], envs[2]}, 2)
	if err != nil {
		t.Fatal(err)
	}
	obs, act := make([]float32, 3), []float32{1, 10, 100}
	res, errs := make([]Result, 3), make([]error, 3)
	if err := b.Reset(obs, []uint64{1, 2, 3}, nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.Step(obs, act, nil, res, errs)
	}
	b.Step(obs, act, []bool{true, true, false}, res, errs)
	if obs[0] != 4 || obs[1] != 22 || obs[2] != 203 {
		t.Errorf("observations %v, want 4, 22 (failed in step 3) and 203 (inactive in step 3)", obs)
	}
	if errs[0] != nil || !errors.Is(errs[1], errFlaky) {
		t.Errorf("errors %v: only environment 1 failed", errs)
	}
	if err := b.Close(); err != nil || !envs[0].closed || !envs[2].closed {
		t.Errorf("closing left environments open (%v)", err)
	}
	if _, err := NewBatch(nil, 1); err == nil {
		t.Error("an empty batch was accepted")
	}
}

func TestEngaged(t *testing.T) {
	task := mustTask(t, "one_leg")
	seat := task.Pairs[0].Thread.Seat
	for _, c := range []struct {
		d    geom.Vec3
		tilt float64
		want bool
	}{
		{geom.Vec3{0, seat - 0.005, 0}, 0, true},
		{geom.Vec3{0, seat - 0.002, 0}, 0, false},
		{geom.Vec3{0.002, seat - 0.005, 0}, 0, false},
		{geom.Vec3{0, seat - 0.005, 0}, 0.15, false},
		{geom.Vec3{}, 0, true},
	} {
		first, second := assembled(task, 3, 0.3, c.d, c.tilt)
		if got := task.Engaged(observation(task, first, second, geom.IdentityPose)); got != c.want {
			t.Errorf("tip displaced by %v and tilted by %v: engaged %v, want %v", c.d, c.tilt, got, c.want)
		}
	}
}
