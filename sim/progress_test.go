package sim

import (
	"slices"
	"testing"

	"korr/internal/geom"
)

// TestProgress: a leg is picked up, put into its hole, let fall and screwed in; what was reached once counts.
func TestProgress(t *testing.T) {
	task, err := TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	p := &task.Pairs[0]
	obs := make([]float32, task.ObsDim())
	put := func(part int, pose geom.Pose) {
		at := obs[StateDim+PoseDim*part:]
		for k := range 3 {
			at[k] = float32(pose.P[k])
		}
		for k := range 4 {
			at[3+k] = float32(pose.Q[k])
		}
	}
	for i := range task.Parts {
		put(i, geom.Pose{P: geom.Vec3(task.Parts[i].Position), Q: geom.RotX(0).Quat()})
	}
	first := geom.PoseAt(obs[StateDim+PoseDim*p.First:])
	lying := geom.PoseAt(obs[StateDim+PoseDim*p.Second:])
	// above is the leg upright over its target in its hole, by so many metres along the hole's axis.
	above := func(d float64) geom.Pose {
		target := p.Target(0)
		return first.Mul(geom.Pose{P: target.P.Add(p.Hole(0).Q.Rotate(geom.Vec3{0, d, 0})), Q: target.Q})
	}
	lifted := lying
	up := geom.TagFrame.Inv()
	lifted.P = up.Apply(geom.TagFrame.Apply(lying.P).Add(geom.Vec3{0, 0, 0.03}))
	g := task.NewProgress()
	for _, step := range []struct {
		what string
		pose geom.Pose
		want Stage
	}{
		{"lying", lying, Grasp},
		{"lifted", lifted, Insert},
		{"over the hole", above(0.05), Insert},
		{"in the thread", above(0.0055), Fasten},
		{"fallen", lying, Fasten},
		{"screwed in", above(0), Hold},
		{"taken out", lying, Hold},
	} {
		put(p.Second, step.pose)
		g.Observe(obs)
		if got := g.Stage(); got != step.want {
			t.Errorf("%s: %s, want %s", step.what, got, step.want)
		}
	}
	if at := g.PassedAt(0); !slices.Equal(at, []int{1, 3, 5}) || g.Passed() != 3 || g.Waited() != 1 ||
		g.PairStage(0) != Done {
		t.Errorf("stages passed at %v, %d in all, %d steps ago, then %s", at, g.Passed(), g.Waited(), g.PairStage(0))
	}
	if n := testing.AllocsPerRun(10, func() { g.Reset(); g.Observe(obs) }); n != 0 || g.Passed() != 0 ||
		g.Stage() != Grasp {
		t.Errorf("after a reset %d stages are passed, then %s; %v allocations", g.Passed(), g.Stage(), n)
	}
}

// TestStageTimes: times come from whole episodes; a wait counts from the stage passed before, whichever pair's it was.
func TestStageTimes(t *testing.T) {
	task, err := TaskByName("lamp")
	if err != nil {
		t.Fatal(err)
	}
	s := task.NewTimes()
	for _, e := range []struct{ bulb, hood []int }{
		{[]int{10, 30, 60}, []int{70, 100}},
		{[]int{20, 50, 90}, []int{110, 115}},
		{[]int{12}, nil},
	} {
		g := task.NewProgress()
		g.passed = [][]int{e.bulb, e.hood}
		s.Add(g)
	}
	want := []StageTime{
		{0, Grasp, 3, 14, 12, 20},
		{0, Insert, 2, 40, 30, 30},
		{0, Fasten, 2, 75, 60, 40},
		{1, Grasp, 2, 90, 70, 20},
		{1, Insert, 2, 107.5, 100, 30},
	}
	if got := s.Table(); !slices.Equal(got, want) {
		t.Errorf("times %+v\nwant  %+v", got, want)
	}
	g := task.NewProgress()
	g.seen = 40
	if g.Finish(); g.Passed() != 5 || g.Stage() != Hold || g.PassedAt(1)[1] != 40 {
		t.Errorf("a solved task has passed %d stages, then %s", g.Passed(), g.Stage())
	}
}
