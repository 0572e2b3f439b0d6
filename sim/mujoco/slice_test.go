//go:build mujoco

package mujoco

import (
	"errors"
	"math"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
)

// TestSlices: the slices of a control step add up to the step, bit for bit, pushes of the episode included, and the arm
// is seen to move in each of them.
func TestSlices(t *testing.T) {
	for _, n := range []int{1, 5, 10, 20} {
		a, b := open(t, Config{}), open(t, Config{})
		want, got := make([]float32, a.Spec().ObsDim), make([]float32, a.Spec().ObsDim)
		if err := errors.Join(a.Reset(want, 7), b.Reset(got, 7)); err != nil {
			t.Fatal(err)
		}
		moved, arm := 0, make([]float64, armParts+sim.PoseDim*len(a.Spec().PartNames))
		for step := range 12 {
			a.push(1, sim.Push{Force: [2]float64{0.7, -0.7}, Torque: 1}, 1)
			b.push(1, sim.Push{Force: [2]float64{0.7, -0.7}, Torque: 1}, 1)
			target, q := [3]float64{0.45 + 0.005*float64(step), 0.02, 0.2}, [4]float64{1, 0, 0, 0}
			rw, err := a.StepPose(want, target, q, 1)
			if err != nil {
				t.Fatal(err)
			}
			for i := range n {
				before := math.Float64bits(float64(b.s.q[0])) + math.Float64bits(float64(b.s.q[3]))
				rg, err := b.StepSlice(got, target, q, 1, i, n)
				if err != nil {
					t.Fatal(err)
				}
				b.ArmStateTo(arm)
				if math.Float64bits(arm[0])+math.Float64bits(arm[3]) != before {
					moved++
				}
				if i == n-1 && rg != rw {
					t.Errorf("n=%d, step %d: %+v, want %+v", n, step, rg, rw)
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("n=%d, step %d: the observations differ", n, step)
			}
		}
		if moved != 12*n {
			t.Errorf("n=%d: the arm moved in %d of %d slices", n, moved, 12*n)
		}
	}
	e := open(t, Config{})
	obs := make([]float32, e.Spec().ObsDim)
	if err := e.Reset(obs, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := e.StepSlice(obs, [3]float64{}, [4]float64{0, 0, 0, 1}, 0, 0, 3); err == nil {
		t.Error("a third of a control step was taken")
	}
}

// TestDisturb: a force moves a part along it, a displacement takes effect at once, and what is screwed stays.
func TestDisturb(t *testing.T) {
	e := open(t, Config{})
	obs := make([]float32, e.Spec().ObsDim)
	if err := e.Reset(obs, 3); err != nil {
		t.Fatal(err)
	}
	pose := func(i int) geom.Vec3 {
		p := e.s.pose[7*i:]
		return geom.Vec3{float64(p[0]), float64(p[1]), float64(p[2])}
	}
	rest := geom.Vec3{float64(e.s.tool_pos[0]), float64(e.s.tool_pos[1]), float64(e.s.tool_pos[2])}
	before := pose(0)
	for i := range 10 {
		if err := e.PushPart(0, [6]float64{0, 3, 0}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.StepSlice(obs, rest, [4]float64{1, 0, 0, 0}, 0, i, 10); err != nil {
			t.Fatal(err)
		}
	}
	if d := pose(0).Sub(before); d[1] < 0.01 || math.Abs(d[0]) > d[1]/2 {
		t.Errorf("3 N for 0.1 s moved the top by %v", d)
	}
	before = pose(1)
	if err := e.MovePart(1, [3]float64{0.01, 0, 0.02}, [3]float64{0, 0, 0.1}); err != nil {
		t.Fatal(err)
	}
	if d := pose(1).Sub(before); d.Sub(geom.Vec3{0.01, 0, 0.02}).Norm() > 1e-12 {
		t.Errorf("displaced by %v", d)
	}
	if err := e.PushPart(99, [6]float64{}); !errors.Is(err, ErrDisturb) {
		t.Errorf("pushing a part that does not exist: %v", err)
	}
	if e.s.npeg > 0 {
		e.s.peg[0].engaged = 1
		if err := e.MovePart(int(e.s.peg[0].part), [3]float64{}, [3]float64{}); !errors.Is(err, ErrDisturb) {
			t.Errorf("moving what is screwed: %v", err)
		}
		e.s.peg[0].engaged = 0
	}
}
