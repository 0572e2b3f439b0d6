package view

import (
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/disturb"
	"korr/sim/mujoco"
)

// TestGhosts: with a disturbed tracker every part has a second, translucent body where the policy sees it, after the
// real ones; without, the scene stays as it is and the policy sees the truth.
func TestGhosts(t *testing.T) {
	spec := sim.Spec{ObsDim: sim.StateDim + 2*sim.PoseDim, PartNames: []string{"leg", "obstacle"}}
	build := func() *mujoco.Scene {
		return &mujoco.Scene{
			Bodies: []mujoco.SceneBody{{Name: "hand"}, {Name: "obstacle", Part: true}, {Name: "leg", Part: true}},
			Geoms: []mujoco.SceneGeom{
				{Body: 0},
				{Body: -1},
				{Body: 2, Kind: "box"},
				{Body: 2, Kind: "sphere"},
				{Body: 1, Kind: "box"},
			},
		}
	}
	truth := make([]float32, spec.ObsDim)
	for i := range spec.PartNames {
		geom.PoseTo(truth[sim.StateDim+sim.PoseDim*i:], geom.Pose{
			P: geom.Vec3{0.1 * float64(i), 0.2, -0.1},
			Q: geom.RotZ(0.4).Quat(),
		})
	}
	scene := build()
	none, err := newGhosts(disturb.Config{}, spec, scene)
	if err != nil || len(scene.Bodies) != 3 || len(scene.Geoms) != 5 {
		t.Fatalf("without disturbance: %d bodies, %v", len(scene.Bodies), err)
	}
	if got := none.reset(truth, 1); &got[0] != &truth[0] {
		t.Error("without disturbance the policy does not see the truth")
	}
	cfg, err := disturb.Profile("T3")
	if err != nil {
		t.Fatal(err)
	}
	g, err := newGhosts(cfg, spec, scene)
	if err != nil {
		t.Fatal(err)
	}
	if len(scene.Bodies) != 5 || len(scene.Geoms) != 8 || scene.Bodies[3].Name != "seen obstacle" ||
		!scene.Bodies[4].Ghost || scene.Bodies[2].Ghost {
		t.Fatalf("bodies %+v", scene.Bodies)
	}
	for _, of := range scene.Geoms[5:] {
		if of.RGBA != ghostColour || of.Body < 3 {
			t.Errorf("a ghost's geometry is %+v", of)
		}
	}
	seen := slices.Clone(g.reset(truth, 5))
	f := mujoco.SceneFrame{Poses: make([]geom.Pose, 3)}
	g.frame(&f)
	if len(f.Poses) != 5 {
		t.Fatalf("%d poses for 5 bodies", len(f.Poses))
	}
	for k, part := range []int{1, 0} { // in the order of the bodies
		want := geom.TagFrame.Mul(geom.PoseAt(seen[sim.StateDim+sim.PoseDim*part:]))
		if f.Poses[3+k] != want ||
			f.Poses[3+k].P.Sub(geom.TagFrame.Apply(geom.VecAt(truth[sim.StateDim+sim.PoseDim*part:]))).Norm() > 0.02 {
			t.Errorf("ghost %d is at %v, seen at %v", k, f.Poses[3+k], want)
		}
	}
	var p reader
	for range 3 {
		g.observe(truth)
		g.tell(&p)
	}
	// T3 is four steps late: the first measurement is still shown
	if len(p.ages) != 3 || p.ages[0] != 0 || p.ages[1] != 3 {
		t.Errorf("the policy is told ages %v", p.ages)
	}
	if slices.Equal(g.observe(truth), truth) {
		t.Error("a noisy tracker shows the truth")
	}
}

// reader is a policy that keeps the ages it was told.
type reader struct {
	Policy
	ages []float32
}

func (r *reader) ReadAges(ages []float32) { r.ages = slices.Clone(ages) }
