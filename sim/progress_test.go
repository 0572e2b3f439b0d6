package sim

import (
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
}
