package sense

import (
	"math"

	"korr/internal/geom"
	"korr/koopman/filter"
	"korr/sim"
)

// SceneOf is what a filter knows of a task: a box around each part, the joints, and the obstacle, which nothing holds.
func SceneOf(t *sim.Task) filter.Scene {
	var s filter.Scene
	for i := range t.Parts {
		s.Parts = append(s.Parts, box(&t.Parts[i]))
	}
	far := math.MaxFloat32
	s.Parts = append(s.Parts, filter.Part{Lo: geom.Vec3{far, far, far}, Hi: geom.Vec3{-far, -far, -far}})
	for i := range t.Pairs {
		p := &t.Pairs[i]
		j := filter.Joint{Male: p.Male(), Receiver: p.Receiver(), Tip: p.Tip}
		for k := range p.Targets {
			j.Holes = append(j.Holes, p.Hole(k))
		}
		s.Joints = append(s.Joints, j)
	}
	return s
}

// box is the box around the part's geometry.
func box(p *sim.Part) filter.Part {
	inf := math.Inf(1)
	b := filter.Part{Lo: geom.Vec3{inf, inf, inf}, Hi: geom.Vec3{-inf, -inf, -inf}}
	for i := range p.Geoms {
		g := &p.Geoms[i]
		ends := [][3]float64{g.From, g.To}
		if g.Kind == sim.Sphere {
			ends = ends[:1]
		}
		for _, end := range ends {
			for k, v := range end {
				b.Lo[k], b.Hi[k] = min(b.Lo[k], v-g.Radius), max(b.Hi[k], v+g.Radius)
			}
		}
	}
	return b
}
