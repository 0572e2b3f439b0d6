package sim

import (
	"math"
	"slices"
	"testing"

	"korr/internal/geom"
)

// TestPublishedPoses compares the joints with FurnitureBench's published relative poses (mm), written out by hand:
// where the second part's origin and y axis are in the first part's frame.
func TestPublishedPoses(t *testing.T) {
	for name, want := range map[string][]struct{ p, y geom.Vec3 }{
		"lamp":        {{geom.Vec3{0, -67.8, 0}, geom.Vec3{0, -1, 0}}, {geom.Vec3{0, -88.324, 0}, geom.Vec3{0, 1, 0}}},
		"round_table": {{geom.Vec3{0, 0, 44.375}, geom.Vec3{0, 0, 1}}, {geom.Vec3{0, 53.125, 0}, geom.Vec3{-1, 0, 0}}},
	} {
		task := mustTask(t, name)
		if len(task.Pairs) != len(want) || task.MaxSteps != 1000 {
			t.Fatalf("%s has %d pairs and %d steps", name, len(task.Pairs), task.MaxSteps)
		}
		for i, w := range want {
			at := task.Pairs[i].Target(0)
			if at.P.Sub(w.p.Scale(1e-3)).Norm() > 1e-9 || at.Q.Rotate(geom.Vec3{0, 1, 0}).Sub(w.y).Norm() > 1e-9 {
				t.Errorf("%s, pair %d: at %v with y along %v", name, i, at.P, at.Q.Rotate(geom.Vec3{0, 1, 0}))
			}
		}
	}
	leg := mustTask(t, "round_table").Pairs[0].Target(0).Q.Rotate(geom.Vec3{1, 0, 0})
	if a := math.Pi + math.Pi/36; leg.Sub(geom.Vec3{math.Cos(a), math.Sin(a), 0}).Norm() > 1e-9 {
		t.Errorf("the round table's leg has its x axis along %v", leg)
	}
	if w := mustTask(t, "lamp").GripperWidth; w != 0.070 {
		t.Errorf("the gripper opens %v m for the lamp, want 70 mm", w)
	}
}

// TestJoints checks, for every pair and target, that the parts at the target pose fit: the tip at the seat, on the
// axis, straight; that the hole's mouth is on the receiver's surface; and that the judge agrees.
func TestJoints(t *testing.T) {
	surface := map[string]float64{"one_leg": 0.015625, "square_table": 0.015625, "lamp": 0.0315, "round_table": 0.01625}
	for _, name := range TaskNames() {
		task := mustTask(t, name)
		for i := range task.Pairs {
			p := &task.Pairs[i]
			first := geom.Pose{P: geom.Vec3{0.4, -0.1, 0.02}, Q: geom.RotVec(geom.Vec3{0.3, -0.4, 0.5})}
			for k := range p.Targets {
				second := first.Mul(p.Target(k))
				fit := p.Fit(first, second)
				depth := 0.0
				if p.Thread != nil {
					depth = p.Thread.Seat
					want := surface[name]
					if p.MaleFirst {
						want = 0.020
					}
					if h := p.Hole(k); math.Abs(h.P.Dot(h.Q.Rotate(geom.Vec3{0, 1, 0}))-want) > 1e-9 {
						t.Errorf("%s, pair %d: the mouth is at %v", name, i, h.P)
					}
				}
				if fit.Hole != k || math.Abs(fit.Offset[1]+depth) > 1e-9 || fit.Lateral() > 1e-9 || fit.Tilt() > 1e-6 {
					t.Errorf("%s, pair %d, target %d: %+v", name, i, k, fit)
				}
				if !task.Assembled(p, first, second) {
					t.Errorf("%s, pair %d, target %d: not assembled at the target", name, i, k)
				}
				off := first.Mul(p.Target(k)).Mul(geom.Pose{P: geom.Vec3{0, 0.006, 0}, Q: geom.IdentityQuat})
				if task.Assembled(p, first, off) {
					t.Errorf("%s, pair %d, target %d: assembled 6 mm off", name, i, k)
				}
			}
		}
	}
}

// TestRoundJoints: a round joint may stand at any angle about its axis but not tilted, a placed hood in any rotation.
func TestRoundJoints(t *testing.T) {
	for _, c := range []struct {
		task string
		pair int
		axis geom.Vec3 // of the joint in the second part's frame
		tilt bool      // whether 25 degrees of tilt are accepted
	}{{"lamp", 0, geom.Vec3{0, 1, 0}, false}, {"lamp", 1, geom.Vec3{0, 1, 0}, true}, {
		"round_table", 0,
		geom.Vec3{0, 1, 0},
		false,
	}, {"round_table", 1, geom.Vec3{0, 0, 1}, false}, {"peg_hole", 0, geom.Vec3{0, 1, 0}, false}} {
		task := mustTask(t, c.task)
		p := &task.Pairs[c.pair]
		turned := func(axis geom.Vec3, angle float64) bool {
			return task.Assembled(p, geom.IdentityPose, p.Target(0).Mul(geom.Pose{Q: geom.AxisAngle(axis, angle)}))
		}
		if !turned(c.axis, 1) || turned(geom.Vec3{1, 0, 0}, 25*math.Pi/180) != c.tilt {
			t.Errorf("%s, pair %d: turned by 1 rad %v, tilted by 25 degrees %v", c.task, c.pair, turned(c.axis, 1),
				turned(geom.Vec3{1, 0, 0}, 25*math.Pi/180))
		}
	}
}

func TestHold(t *testing.T) {
	task := mustTask(t, "one_leg")
	task.Hold = 3
	j := NewJudge(task)
	apart := make([]geom.Pose, len(task.Parts))
	together := make([]geom.Pose, len(task.Parts))
	for i := range apart {
		apart[i], together[i] = geom.IdentityPose, geom.IdentityPose
	}
	together[0], together[4] = assembled(task, 1, 0, geom.Vec3{}, 0)
	var paid float32
	for i, c := range []struct {
		poses []geom.Pose
		want  bool
	}{{together, false}, {together, false}, {apart, false}, {together, false}, {together, false}, {together, true}} {
		r, ok := j.Score(c.poses)
		paid += r
		if ok != c.want {
			t.Errorf("step %d: success %v, want %v", i, ok, c.want)
		}
	}
	if paid != 1 {
		t.Errorf("paid %v, want 1", paid)
	}
	j.Reset()
	if j.Held() != 0 {
		t.Error("a reset kept the hold time")
	}
}

// TestFeaturesOfTasks: 13 numbers per pair, no allocation, zero offset and tilt at the mouth of the hole.
func TestFeaturesOfTasks(t *testing.T) {
	for name, dim := range map[string]int{
		"one_leg": 13, "lamp": 26, "round_table": 26, "square_table": 52, "mug_rack": 13,
		"peg_hole": 13,
	} {
		task := mustTask(t, name)
		f := task.NewFeatures()
		if f.Dim() != dim {
			t.Errorf("%s has %d features, want %d", name, f.Dim(), dim)
		}
		x, obs := make([]float32, f.Dim()), make([]float32, task.ObsDim())
		geom.Rot6DTo(obs[3:9], geom.IdentityQuat)
		for i := range task.Parts {
			geom.PoseTo(obs[StateDim+PoseDim*i:], geom.Pose{P: geom.Vec3{float64(i), 0, 0}, Q: geom.IdentityQuat})
		}
		p := &task.Pairs[len(task.Pairs)-1]
		first := geom.PoseAt(obs[StateDim+PoseDim*p.First:])
		second := first.Mul(p.Hole(0)).Mul(p.Peg().Inv())
		if p.MaleFirst {
			second = first.Mul(p.Peg()).Mul(p.Hole(0).Inv())
		}
		geom.PoseTo(obs[StateDim+PoseDim*p.Second:], second)
		f.FeaturesTo(x, obs)
		for k, v := range x[dim-13 : dim-5] {
			if math.Abs(float64(v)) > 1e-4 {
				t.Errorf("%s: feature %d of the last pair is %v at the mouth", name, k, v)
			}
		}
		if n := testing.AllocsPerRun(10, func() { f.FeaturesTo(x, obs) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestInertia compares with the textbook: a cylinder, and two balls on a stick by the parallel-axis theorem.
func TestInertia(t *testing.T) {
	p := Part{Mass: 2}
	p.distribute([]Geom{{Kind: Cylinder, From: [3]float64{0, 0, 0}, To: [3]float64{0, 0, 0.4}, Radius: 0.1}})
	want := [3]float64{2 * (3*0.01 + 0.16) / 12, 2 * (3*0.01 + 0.16) / 12, 0.01}
	for k := range want {
		if math.Abs(p.Inertia[k]-want[k]) > 1e-9 {
			t.Errorf("cylinder: inertia %v, want %v", p.Inertia, want)
		}
	}
	if math.Abs(p.Centre[2]-0.2) > 1e-9 {
		t.Errorf("cylinder: centre %v", p.Centre)
	}
	p = Part{Mass: 2}
	p.distribute([]Geom{{Kind: Sphere, From: [3]float64{0, -1, 0}, Radius: 0.1}, {
		Kind: Sphere, From: [3]float64{0, 1, 0},
		Radius: 0.1,
	}})
	if math.Abs(p.Inertia[0]-(2+0.008)) > 1e-9 || math.Abs(p.Inertia[1]-0.008) > 1e-9 {
		t.Errorf("balls: inertia %v", p.Inertia)
	}
}

// TestPublishedYaw: a square leg counts at any of four turns, and at the published yaw alone within 20 degrees of one;
// so does a round part; a hood counts by its position.
func TestPublishedYaw(t *testing.T) {
	deg := math.Pi / 180
	for _, c := range []struct {
		task                 string
		pair                 int
		turn                 float64 // about the joint's axis, degrees
		symmetric, published bool
	}{
		{"one_leg", 0, 0, true, true},
		{"one_leg", 0, 18, true, true},
		{"one_leg", 0, 25, false, false},
		{"one_leg", 0, 90, true, false},
		{"lamp", 0, 90, true, false},
		{"lamp", 0, -18, true, true},
		{"lamp", 1, 120, true, true},
		{"round_table", 0, 45, true, false},
		{"round_table", 1, 0, true, true},
		{"round_table", 1, 180, true, false},
		{"peg_hole", 0, 90, true, false},
	} {
		task, err := TaskByName(c.task)
		if err != nil {
			t.Fatal(err)
		}
		p := &task.Pairs[c.pair]
		first := geom.Pose{P: geom.Vec3{0.4, 0.1, 0.2}, Q: geom.RotZ(0.7).Quat()}
		axis := geom.Vec3{0, 1, 0} // of the peg, in the frame of the male part
		joint := geom.Pose{Q: geom.AxisAngle(axis, c.turn*deg)}
		peg, hole := p.Peg(), p.Hole(0)
		if s := p.Thread; s != nil {
			joint.P = geom.Vec3{0, -s.Seat, 0}
		}
		rel := hole.Mul(joint).Mul(peg.Inv()) // of the male part in the receiver's frame
		if p.MaleFirst {
			rel = rel.Inv()
		}
		second := first.Mul(rel)
		if got := task.Assembled(p, first, second); got != c.symmetric {
			t.Errorf("%s, pair %d, turned by %g: assembled %v", c.task, c.pair, c.turn, got)
		}
		if got := task.AtPublishedYaw(p, first, second); got != c.published {
			t.Errorf("%s, pair %d, turned by %g: at the published yaw %v", c.task, c.pair, c.turn, got)
		}
		task.Yaw = Published
		if got := task.Assembled(p, first, second); got != c.published {
			t.Errorf("%s, pair %d, turned by %g: assembled %v when one yaw counts", c.task, c.pair, c.turn, got)
		}
	}
}

// TestPlacedStages: a part without a thread is grasped and put in its place; one that stands there counts as inserted.
func TestPlacedStages(t *testing.T) {
	for _, name := range []string{"mug_rack", "peg_hole"} {
		task := mustTask(t, name)
		p := &task.Pairs[0]
		g, obs := task.NewProgress(), make([]float32, task.ObsDim())
		put := func(first, second geom.Pose) {
			geom.Rot6DTo(obs[3:9], geom.IdentityQuat)
			geom.PoseTo(obs[StateDim+PoseDim*p.First:], geom.TagFrame.Inv().Mul(first))
			geom.PoseTo(obs[StateDim+PoseDim*p.Second:], geom.TagFrame.Inv().Mul(second))
			g.Observe(obs)
		}
		first := geom.Pose{P: geom.Vec3{0.4, -0.1, 0}, Q: geom.AxisAngle(geom.Vec3{1, 0, 0}, math.Pi/2)}
		second := geom.Pose{P: geom.Vec3{0.4, 0.1, 0}, Q: first.Q}
		put(first, second)
		if g.PairStage(0) != Grasp {
			t.Errorf("%s: begins with %s", name, g.PairStage(0))
		}
		second.P[2] = 0.03
		put(first, second)
		if g.PairStage(0) != Insert {
			t.Errorf("%s: picked up, %s comes next", name, g.PairStage(0))
		}
		put(first, first.Mul(p.Target(0)).Mul(geom.Pose{P: geom.Vec3{0, 0.006, 0}, Q: geom.IdentityQuat}))
		if g.PairStage(0) != Insert {
			t.Errorf("%s: 6 mm off, %s comes next", name, g.PairStage(0))
		}
		put(first, first.Mul(p.Target(0)))
		if g.PairStage(0) != Done || !slices.Equal(g.PassedAt(0), []int{1, 3}) {
			t.Errorf("%s: in place, %s comes next, passed at %v", name, g.PairStage(0), g.PassedAt(0))
		}
	}
}
