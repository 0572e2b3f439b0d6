package expert

import (
	"math"

	"korr/internal/geom"
	"korr/sim"
)

// Fingers of the open hand (m): where their pads end, half a pad's width, and the room that they need beside the top.
const (
	padEnd   = 0.008 // beyond half the opening
	padHalf  = 0.010
	padRoom  = 0.003
	closeFit = 0.002 // between a pad and the part, when the hand comes down off its centre
)

// beside is where the tool grasps a lying part: at g, or, where a finger would come down onto the top, to the side and
// nearer to the part's tip, and in how many steps the hand comes down: slowly where a finger may still brush the top.
// The closing fingers then carry the part into their middle.
func (s *screw) beside(g geom.Vec3, yaw float64) (geom.Vec3, int) {
	if s.halfWidth == 0 || s.room(g, yaw) >= padRoom {
		return g, 8
	}
	best, most := g, math.Inf(-1)
	slack := s.e.task.GripperWidth/2 - s.halfWidth - closeFit
	across, tip := geom.Vec3{-math.Sin(yaw), math.Cos(yaw), 0}, geom.Vec3{math.Cos(yaw), math.Sin(yaw), 0}
	for _, side := range []float64{0, -0.5, 0.5, -1, 1} {
		for _, down := range []float64{0, s.slide} {
			at := g.Add(across.Scale(side * slack)).Add(tip.Scale(down))
			if room := s.room(at, yaw); room > most {
				best, most = at, room
			}
		}
	}
	if most < padRoom {
		return best, 24
	}
	return best, 8
}

// room is the least distance in the plane between the pads of the open hand at g and the top.
func (s *screw) room(g geom.Vec3, yaw float64) float64 {
	top := s.top()
	inv, least := top.Inv(), math.Inf(1)
	across, along := geom.Vec3{-math.Sin(yaw), math.Cos(yaw), 0}, geom.Vec3{math.Cos(yaw), math.Sin(yaw), 0}
	g[2] = top.P[2]
	open := s.e.task.GripperWidth / 2
	for _, out := range []float64{-open - padEnd, -open, open, open + padEnd} {
		for _, off := range []float64{-padHalf, 0, padHalf} {
			at := inv.Apply(g.Add(across.Scale(out)).Add(along.Scale(off)))
			for i := range s.e.task.Parts[s.pair.First].Geoms {
				if w := &s.e.task.Parts[s.pair.First].Geoms[i]; w.Contact == sim.Wall && w.Kind == sim.Box {
					least = min(least, boxDistance(w, at))
				}
			}
		}
	}
	return least
}

// boxDistance is how far a point is outside a box, both in the part's frame.
func boxDistance(b *sim.Geom, at geom.Vec3) float64 {
	var d geom.Vec3
	for k := range d {
		d[k] = max(0, min(b.From[k], b.To[k])-at[k], at[k]-max(b.From[k], b.To[k]))
	}
	return d.Norm()
}
