//go:build mujoco

package mujoco

import (
	"math"
	"testing"

	"korr/internal/geom"
	"korr/sim"
)

// placed is an environment whose episodes do not end, with the arm out of the way.
func placed(t *testing.T, name string) (*Env, []float32) {
	t.Helper()
	e := open(t, Config{Task: name, Hold: 1 << 20, MaxSteps: 1 << 20})
	obs := make([]float32, e.spec.ObsDim)
	inAir(t, e, obs)
	return e, obs
}

// TestPegGoesIn: above the hole the peg falls to the table within its clearance of 0.25 mm, and stands there; beyond
// that, or tilted, it stays on the block's face.
func TestPegGoesIn(t *testing.T) {
	const height = 0.0255 // of the tip over the table: 0.5 mm over the block
	for _, c := range []struct {
		x, z, tilt float64 // m, m, rad
		in         bool
	}{
		{0, 0, 0, true},
		{0.0002, 0, 0, true},
		{0, -0.0002, 0, true},
		{0.0002, 0.0002, 0.005, true},
		{0.0012, 0, 0, false},
		{0, -0.0020, 0, false},
		{0.0030, 0.0030, 0, false},
		{0, 0, 0.6, false},
	} {
		e, obs := placed(t, "peg_hole")
		pair := &e.task.Pairs[0]
		bring(e, pair, geom.Vec3{c.x, height, c.z}, c.tilt)
		wait(t, e, obs, 15, nil)
		deepest := wait(t, e, obs, 5, nil)
		in := e.task.Assembled(pair, e.poses[pair.First], e.poses[pair.Second])
		if in != c.in {
			t.Errorf("%.1f, %.1f mm off and tilted by %.3f rad: in %v, want %v", 1e3*c.x, 1e3*c.z, c.tilt, in, c.in)
		}
		if in && deepest > heldDepth {
			t.Errorf("%.1f, %.1f mm off: a contact %.2f mm deep in the hole", 1e3*c.x, 1e3*c.z, 1e3*deepest)
		}
		if in {
			fit := pair.Fit(e.poses[pair.First], e.poses[pair.Second])
			if fit.Lateral() > 0.0005 || fit.Tilt() > 0.03 || math.Abs(fit.Offset[1]) > 0.0005 {
				t.Errorf("the peg stands %v m beside its place, tilted by %.3f rad", fit.Offset, fit.Tilt())
			}
		}
	}
}

// TestPegIsLoose: the peg lifted by its head comes out of the hole, and the block stays.
func TestPegIsLoose(t *testing.T) {
	e, obs := placed(t, "peg_hole")
	pair := &e.task.Pairs[0]
	bring(e, pair, geom.Vec3{0, 0.0002, 0}, 0)
	wait(t, e, obs, 5, nil)
	block := e.poses[pair.First].P
	for i := 0; i < 40 && e.poses[pair.Second].P[2] < 0.06; i++ {
		wait(t, e, obs, 1, func() { e.twist(pair.Second, 0, 30*e.task.Parts[pair.Second].Mass*gravity) })
	}
	if e.poses[pair.Second].P[2] < 0.05 || e.poses[pair.First].P.Sub(block).Norm() > 0.001 {
		t.Errorf("pulled at its head, the peg is at %v and the block at %v", e.poses[pair.Second].P, e.poses[pair.First].P)
	}
}

// onHook is the mug's pose in the rack's frame with its handle around the peg, so far (m) from the peg's root along its
// axis, and let down by an angle about the peg (rad).
func onHook(e *Env, along, down float64) geom.Pose {
	pair := &e.task.Pairs[0]
	d := geom.Vec3(pair.Axis).Scale(-1)
	upright := geom.AxisAngle(geom.Vec3{0, 1, 0}, -math.Pi/2)
	upright = geom.AxisAngle(geom.Vec3{0, 0, 1}, math.Atan2(d[1], d[0])).Mul(upright)
	q := geom.AxisAngle(d, -down).Mul(upright)
	handle := geom.Vec3{0.0537, 0.075, 0}
	at := geom.Vec3(pair.Tip).Sub(d.Scale(0.0643 - along))
	return geom.Pose{P: at.Sub(q.Rotate(handle)), Q: q}
}

// TestMugHangs: from wherever its handle is let go on the peg, the mug comes to rest at the target, and stays; beside
// the peg, or with the peg's tip short of the handle, it falls.
func TestMugHangs(t *testing.T) {
	for _, c := range []struct {
		along, down float64
		side        float64 // m, displaced off the peg
		hangs       bool
	}{
		{0.050, 1.19, 0, true},
		{0.040, 1.00, 0, true},
		{0.045, 1.35, 0, true},
		{0.053, 0.80, 0, true},
		{0.085, 1.19, 0, false},
		{0.050, 1.19, -0.040, false},
	} {
		e, obs := placed(t, "mug_rack")
		pair := &e.task.Pairs[0]
		at := onHook(e, c.along, c.down)
		at.P[1] += c.side
		e.putPart(pair.Second, e.poses[pair.First].Mul(at))
		wait(t, e, obs, 40, nil)
		before := e.poses[pair.Second]
		wait(t, e, obs, 10*restTime, nil)
		after := e.poses[pair.Second]
		rel := e.poses[pair.First].Inv().Mul(after)
		target := pair.Target(0)
		crept := after.P.Sub(before.P).Norm()
		t.Logf("let go at %.0f mm, %.2f rad: %.1f mm and %.2f rad from the target, crept by %.2f mm",
			1e3*c.along, c.down, 1e3*rel.P.Sub(target.P).Norm(), rel.Q.Angle(target.Q), 1e3*crept)
		if got := e.task.Assembled(pair, e.poses[pair.First], after); got != c.hangs {
			t.Errorf("let go at %.0f mm, %.0f mm aside: hangs %v, want %v", 1e3*c.along, 1e3*c.side, got, c.hangs)
		}
		if c.hangs && crept > hangCreep {
			t.Errorf("let go at %.0f mm: it crept by %.2f mm", 1e3*c.along, 1e3*crept)
		}
	}
}

const hangCreep = 1e-3 // m in restTime: two point contacts under its weight

// TestObstacleBefore: where the parts stand before the obstacle, its arms end behind all of them at every level.
func TestObstacleBefore(t *testing.T) {
	for _, name := range []string{"mug_rack", "peg_hole"} {
		e := open(t, Config{Task: name, Randomness: sim.High})
		obs := make([]float32, e.spec.ObsDim)
		least, most := math.Inf(1), math.Inf(-1)
		for seed := range uint64(40) {
			if err := e.Reset(obs, seed); err != nil {
				t.Fatal(err)
			}
			o := e.poses[len(e.task.Parts)].P
			least, most = min(least, o[1]), max(most, o[1])
			for i := range e.task.Parts {
				p := &e.task.Parts[i]
				if end := o[0] - 0.16; end < NominalPose(p).P[0]+max(p.Size[0], p.Size[2])/2 {
					t.Errorf("%s, seed %d: the obstacle's arms end at %.3f m, %s begins before", name, seed, end, p.Name)
				}
			}
		}
		if least > -0.03 || most < 0.03 {
			t.Errorf("%s: the obstacle moves from %.3f to %.3f m to the side, published +-0.06", name, least, most)
		}
	}
}
