package render

import (
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/sim"
)

func TestKeys(t *testing.T) {
	phases := func(starts map[int]string, n int) func() []int {
		return func() []int {
			k := newKeys(6)
			phase := ""
			for i := range n {
				if p, ok := starts[i]; ok {
					phase = p
				}
				k.add(Shot{Step: 2 * i, Phase: phase})
				if len(k.others) > 4*6 {
					t.Fatalf("%d frames are kept", len(k.others))
				}
			}
			var steps []int
			for _, s := range k.pick() {
				steps = append(steps, s.Step)
			}
			return steps
		}
	}
	for name, c := range map[string]struct {
		got  func() []int
		want []int
	}{
		"nothing":         {phases(nil, 0), nil},
		"one frame":       {phases(map[int]string{0: "a"}, 1), []int{0}},
		"fewer than kept": {phases(map[int]string{0: "a"}, 3), []int{0, 2, 4}},
		"every phase": {
			phases(map[int]string{0: "a", 10: "b", 20: "c", 30: "d", 40: "e", 50: "f"}, 51),
			[]int{0, 20, 40, 60, 80, 100},
		},
		"phases first": {phases(map[int]string{0: "a", 3: "b", 150: "a"}, 201), []int{0, 6, 96, 192, 288, 400}},
		"too many phases": {
			phases(map[int]string{0: "a", 1: "b", 2: "c", 3: "d", 4: "e", 5: "f", 6: "g", 7: "h"}, 9),
			[]int{0, 2, 4, 6, 8, 16},
		},
	} {
		if got := c.got(); !slices.Equal(got, c.want) {
			t.Errorf("%s: steps %v, want %v", name, got, c.want)
		}
	}
}

func TestPhase(t *testing.T) {
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	pair := &task.Pairs[0]
	up := geom.RotX(1.5707963267948966).Quat() // a part's own y axis points up
	top := geom.Pose{P: geom.Vec3{0.54, 0, 0.0156}, Q: up}
	lying := geom.Pose{P: geom.Vec3{0.37, 0.2, 0.015}, Q: geom.Quat{0, 0, 0, 1}}
	over := func(dx, depth float64) geom.Pose {
		mouth := pair.Mouth(2)
		return top.Mul(geom.Pose{
			P: geom.Vec3{mouth[0] + dx, mouth[1] - pair.Tip[1] - depth, mouth[2]},
			Q: geom.Quat{0, 0, 0, 1},
		})
	}
	for _, c := range []struct {
		want string
		leg  geom.Pose
		tool geom.Vec3
	}{
		{"reach", lying, geom.Vec3{0.5, 0, 0.3}},
		{"grasp", lying, lying.P.Add(geom.Vec3{0.01, 0, 0.01})},
		{"carry", geom.Pose{P: geom.Vec3{0.37, 0.2, 0.15}, Q: lying.Q}, geom.Vec3{0.37, 0.2, 0.16}},
		{"insert", over(0.01, -0.03), over(0.01, -0.03).P},
		{"insert", over(0.001, 0.001), geom.Vec3{}},
		{"screw", over(0.001, 0.01), geom.Vec3{}},
		{"assembled", over(0, pair.Thread.Seat), geom.Vec3{}},
		{"reach", over(0.1, -0.02), geom.Vec3{}},
	} {
		obs := make([]float32, task.ObsDim())
		geom.VecTo(obs, c.tool)
		for i, pose := range map[int]geom.Pose{pair.First: top, pair.Second: c.leg} {
			geom.PoseTo(obs[sim.StateDim+sim.PoseDim*i:], geom.TagFrame.Inv().Mul(pose))
		}
		if got := Phase(task, obs); got != c.want {
			t.Errorf("leg at %v, tool at %v: %q, want %q", c.leg.P, c.tool, got, c.want)
		}
	}
}
