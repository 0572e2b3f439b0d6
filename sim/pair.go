package sim

import (
	"math"

	"korr/internal/geom"
)

// Round is the Symmetry of a pair whose parts may stand at any angle about the axis of the joint.
const Round = -1

// Pair is an assembly to achieve: the second part at one of the target poses in the first part's frame. One of the
// two is the male part, whose tip enters a hole of the other, the receiver.
//
// The joint has two frames whose y axes coincide when the parts are assembled: the peg's, at the male part's tip with y
// from the tip into the part, and the hole's, at the centre of its mouth with y out of the hole.
type Pair struct {
	First, Second int          // indices into Task.Parts
	Targets       [][3]float64 // positions of the second part in the first part's frame, m
	Rotation      [4]float64   // quaternion x y z w of the second part in the first part's frame; zero is the identity
	AnyRotation   bool         // success asks for the position only
	Symmetry      int          // rotational symmetry of the joint about its axis (4 for a square leg), or Round
	MaleFirst     bool         // the first part is the male one
	Tip           [3]float64   // tip of the male part in its own frame, m: what must enter the hole
	Axis          [3]float64   // unit vector from the tip into the male part, its own frame; zero is y
	Thread        *Thread      // nil: the part is placed, not screwed
}

// Thread describes a screwed connection along the axis of the joint.
type Thread struct {
	Pitch    float64 // m of depth per turn; clockwise seen from above the hole goes in
	Seat     float64 // depth of the tip below the hole's mouth when assembled, m
	Friction float64 // torque the thread resists turning with, N m
}

// Male is the index of the part with the tip.
func (p *Pair) Male() int {
	if p.MaleFirst {
		return p.First
	}
	return p.Second
}

// Receiver is the index of the part with the hole.
func (p *Pair) Receiver() int { return p.First + p.Second - p.Male() }

// Peg is the peg's frame in the male part's.
func (p *Pair) Peg() geom.Pose {
	q := geom.IdentityQuat
	if a := geom.Vec3(p.Axis); a.Norm() > 0 {
		q = turnY(a)
	}
	return geom.Pose{P: p.Tip, Q: q}
}

// turnY is the shortest rotation of the y axis to the unit vector a.
func turnY(a geom.Vec3) geom.Quat {
	if a[1] < -1+1e-9 {
		return geom.Quat{1, 0, 0, 0}
	}
	c := geom.Vec3{0, 1, 0}.Cross(a)
	return geom.Quat{c[0], c[1], c[2], 1 + a[1]}.Normalize()
}

// Target is the pose of the second part in the first part's frame at target i.
func (p *Pair) Target(i int) geom.Pose {
	q := geom.Quat(p.Rotation)
	if q == (geom.Quat{}) {
		q = geom.IdentityQuat
	}
	return geom.Pose{P: p.Targets[i], Q: q}
}

// Hole is the frame of the hole that leads to target i, in the receiver's frame; of a placed pair, where the tip goes.
func (p *Pair) Hole(i int) geom.Pose {
	at := p.Target(i)
	if p.MaleFirst {
		at = at.Inv()
	}
	h := at.Mul(p.Peg())
	if p.Thread != nil {
		h.P = h.Apply(geom.Vec3{0, p.Thread.Seat, 0})
	}
	return h
}

// Mouth is the centre of the opening that leads to target i, in the receiver's frame (m).
func (p *Pair) Mouth(i int) [3]float64 { return p.Hole(i).P }

// Fit says how a pair of parts stands to each other.
type Fit struct {
	Hole   int       // target whose hole is nearest
	Offset geom.Vec3 // tip in the frame of that hole, m: y above the mouth, x and z to the side
	Turn   geom.Quat // rotation of the peg in the frame of the hole
}

// Fit returns where the male part's tip is against the nearest hole; both poses in one common frame.
func (p *Pair) Fit(first, second geom.Pose) Fit {
	rel := first.Inv().Mul(second)
	if p.MaleFirst {
		rel = rel.Inv()
	}
	peg := p.Peg()
	tip := rel.Apply(peg.P)
	var f Fit
	best := math.Inf(1)
	for k := range p.Targets {
		h := p.Hole(k)
		inv := h.Q.Inv()
		d := inv.Rotate(tip.Sub(h.P))
		if lateral := d[0]*d[0] + d[2]*d[2]; lateral < best {
			best = lateral
			f = Fit{Hole: k, Offset: d, Turn: inv.Mul(rel.Q).Mul(peg.Q)}
		}
	}
	return f
}

// Lateral is the distance of the tip from the hole's axis, m.
func (f *Fit) Lateral() float64 { return math.Hypot(f.Offset[0], f.Offset[2]) }

// Tilt is the angle between the axes of peg and hole, rad.
func (f *Fit) Tilt() float64 {
	return math.Acos(min(1, max(-1, f.Turn.Rotate(geom.Vec3{0, 1, 0})[1])))
}
