package episodes

import (
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/train/dataset"
)

// solved is a demonstration of one_leg in which a leg is lifted at frame 3, engages at 6 and is screwed in by the last
// of 10 steps.
func solved(t *testing.T) (*sim.Task, dataset.Episode) {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	p := &task.Pairs[0]
	const frames = 10
	e := dataset.Episode{State: make([]float32, frames*sim.StateDim), Reward: make([]float32, frames), Success: true}
	for f := range frames {
		env := make([]float32, sim.PoseDim*(len(task.Parts)+1))
		put := func(part int, pose geom.Pose) { geom.PoseTo(env[sim.PoseDim*part:], pose) }
		for i := range task.Parts {
			put(i, geom.Pose{P: geom.Vec3(task.Parts[i].Position), Q: geom.IdentityQuat})
		}
		top := geom.PoseAt(env)
		leg := geom.Pose{P: geom.Vec3(task.Parts[p.Second].Position), Q: geom.IdentityQuat}
		if f >= 3 {
			leg.P[2] -= 0.05 // the tag frame's z points down
		}
		if f >= 6 {
			target := p.Target(0)
			leg = top.Mul(geom.Pose{P: target.P.Add(p.Hole(0).Q.Rotate(geom.Vec3{0, 0.0055, 0})), Q: target.Q})
		}
		put(p.Second, leg)
		e.Env = append(e.Env, env...)
	}
	return task, e
}

// TestStageTimes: a demonstration passes its stages when it does; one of another task's width is refused.
func TestStageTimes(t *testing.T) {
	task, e := solved(t)
	frames := e.Len()
	want := []sim.StageTime{
		{Pair: 0, Stage: sim.Grasp, Reached: 2, Mean: 3, P95: 3, Longest: 3},
		{Pair: 0, Stage: sim.Insert, Reached: 2, Mean: 6, P95: 6, Longest: 3},
		{Pair: 0, Stage: sim.Fasten, Reached: 1, Mean: float64(frames), P95: frames, Longest: frames - 6},
	}
	failed := e
	failed.Success = false
	got, err := StageTimes(task, []dataset.Episode{e, failed})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("times %+v, want %+v, %v", got, want, err)
	}
	lamp, err := sim.TaskByName("lamp")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := StageTimes(lamp, []dataset.Episode{e}); err == nil {
		t.Error("demonstrations of one_leg have times of the lamp's stages")
	}
}
