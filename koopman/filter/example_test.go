package filter_test

import (
	"fmt"
	"slices"

	"korr/internal/geom"
	"korr/koopman/filter"
)

// The hand carries a part along x by 5 mm a control step, and the tracker sends poses that are three steps old. The
// filter knows the arm of now, and so where the part is now.
func ExampleBank() {
	box := filter.Part{Lo: geom.Vec3{-0.02, -0.02, -0.02}, Hi: geom.Vec3{0.02, 0.02, 0.02}}
	model := filter.NewKinematic(filter.Scene{Parts: []filter.Part{box}})
	b, err := filter.New(filter.Config{
		Parts: 1,
		Q:     [][]filter.Cov{slices.Repeat([]filter.Cov{filter.Diagonal(1e-4, 1e-3)}, model.Modes())},
		Noise: filter.Noise{Position: 1e-3, Rotation: 0.01},
	}, model)
	if err != nil {
		fmt.Println(err)
		return
	}
	where := func(step float64) geom.Pose {
		return geom.Pose{P: geom.Vec3{0.4 + 0.005*step, 0, 0.1}, Q: geom.IdentityQuat}
	}
	const late = 3
	for t := range 20 {
		now := float64(t)
		b.Begin(now, filter.Arm{Hand: where(now), Width: 0.03})
		if t >= late {
			b.Measure(0, now-late, where(now-late))
		}
		b.Update()
		b.Executed(filter.Command{Target: where(now + 1), Grip: 1})
	}
	e := b.Estimate(0)
	fmt.Printf("the newest pose is %.0f steps old and shows x = %.3f m\n", e.Age, where(19 - late).P[0])
	fmt.Printf("the part is at x = %.3f m, good to %.1f mm, held: %t\n", e.Pose.P[0], 1000*e.Position,
		e.Mode == filter.Held)
	// Output:
	// the newest pose is 3 steps old and shows x = 0.480 m
	// the part is at x = 0.495 m, good to 0.4 mm, held: true
}
