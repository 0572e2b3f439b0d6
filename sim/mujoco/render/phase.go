package render

import (
	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

// Phase says in a word what an observation shows of a task of screwed or plugged pairs: "reach" (the hand is away from
// the part), "grasp" (at the part on the table), "carry" (the part is up), "insert" (its tip is close to a hole),
// "screw" (the tip is in a hole) or "assembled". It looks at the first pair that is not assembled.
func Phase(t *sim.Task, obs []float32) string {
	part := func(i int) geom.Pose { return geom.TagFrame.Mul(geom.PoseAt(layout.Part(i).Of(obs))) }
	tool := geom.VecAt(obs)
	for i := range t.Pairs {
		p := &t.Pairs[i]
		first, second := part(p.First), part(p.Second)
		if t.Assembled(p, first, second) {
			continue
		}
		depth, lateral, tilt := tip(p, first, second)
		switch {
		case depth > 0.002 && lateral < 0.003 && tilt < 0.2:
			return "screw"
		case depth > -0.04 && lateral < 0.02 && tilt < 0.3:
			return "insert"
		case second.P[2] > 0.04 && tool.Sub(second.P).Norm() < 0.08:
			return "carry"
		case tool.Sub(second.P).Norm() < 0.035:
			return "grasp"
		}
		return "reach"
	}
	return "assembled"
}

// tip is where the second part's tip is against the nearest hole of the first: depth below its mouth and lateral
// distance (m), and the angle between the parts' own axes (rad).
func tip(p *sim.Pair, first, second geom.Pose) (depth, lateral, tilt float64) {
	f := p.Fit(first, second)
	return -f.Offset[1], f.Lateral(), f.Tilt()
}
