package sim

import (
	"fmt"
	"math"
)

// GeomKind is the kind of a convex primitive.
type GeomKind string

// Primitives known to the engines.
const (
	Box      GeomKind = "box"      // between the corners From and To
	Capsule  GeomKind = "capsule"  // From and To are the centres of its round ends
	Cylinder GeomKind = "cylinder" // From and To are the centres of its flat ends
	Sphere   GeomKind = "sphere"   // around From
)

// Contact says what a geometry meets. Few pairs that can touch make the simulation fast.
type Contact int

// Contact classes.
const (
	Solid   Contact = iota // everything: the table, the hand, walls and other solid parts
	Wall                   // the hand, solid and hollow parts, but not the table: a part with holes as it is
	Outline                // the table and the obstacle only: a part with holes as one convex body
	Hollow                 // as Wall, and walls: a part with holes that is carried about
)

// Geom is a convex primitive of a part, in the part's frame (m).
type Geom struct {
	Kind     GeomKind
	From, To [3]float64
	Radius   float64
	Turn     float64 // rotation of a box about its part's y axis, rad
	Contact  Contact
	Thread   string // name of the second part of the pair whose engaged thread replaces this geometry's contacts
	Color    string // red green blue alpha, 0 to 1
}

// Threaded pegs and their holes: every peg is a ring of capsules that fills a square opening, whose floor is where a
// peg stands that found no thread.
const (
	PegRadius = 0.012  // m, major radius of every threaded peg
	clearance = 0.0005 // m, between peg and hole
	HoleFloor = 0.005  // m, depth of the floor
	pegRing   = 8      // capsules that stand for a peg's surface
	capsule   = 0.003  // m, their radius
	holeHalf  = PegRadius + clearance
)

const steel = ".5 .5 .52 1"

// pegGeoms is a peg of radius PegRadius along its part's y axis from the tip to the shoulder (positions on it, m), for
// the thread of the pair whose second part has that name.
func pegGeoms(thread string, tip, shoulder float64) []Geom {
	var gs []Geom
	r := PegRadius - capsule
	end := tip + math.Copysign(capsule, shoulder-tip)
	for k := range pegRing {
		a := 2 * math.Pi * float64(k) / pegRing
		x, z := r*math.Cos(a), r*math.Sin(a)
		gs = append(gs, Geom{
			Kind: Capsule, From: [3]float64{x, shoulder, z}, To: [3]float64{x, end, z}, Radius: capsule,
			Thread: thread, Color: steel,
		})
	}
	return gs
}

// across puts a rectangle (a, b: its corners in the plane across the axis) and an extent along axis k into a box.
func across(k int, lo, hi, a0, b0, a1, b1 float64, contact Contact, color string) Geom {
	i, j := (k+1)%3, (k+2)%3
	g := Geom{Kind: Box, Contact: contact, Color: color}
	g.From[k], g.From[i], g.From[j] = lo, a0, b0
	g.To[k], g.To[i], g.To[j] = hi, a1, b1
	return g
}

// frame is a square plate across axis k with a square opening: half widths outer and inner, from lo to hi.
func frame(k int, lo, hi, outer, inner float64, contact Contact, color string) []Geom {
	return []Geom{
		across(k, lo, hi, -outer, -outer, outer, -inner, contact, color),
		across(k, lo, hi, -outer, inner, outer, outer, contact, color),
		across(k, lo, hi, -outer, -inner, -inner, inner, contact, color),
		across(k, lo, hi, inner, -inner, outer, inner, contact, color),
	}
}

// cross is the outline of a round part across axis k, from lo to hi: two boxes that reach to radius, half as wide as
// width says. A cylinder would roll and wobble on its edge for ever.
func cross(k int, lo, hi, radius, width float64) []Geom {
	const unseen = "0 0 0 0"
	return []Geom{
		across(k, lo, hi, -radius, -width, radius, width, Outline, unseen),
		across(k, lo, hi, -width, -radius, width, radius, Outline, unseen),
	}
}

// boxInertia is the principal inertia of a uniform box (kg m^2).
func boxInertia(m float64, s [3]float64) [3]float64 {
	return [3]float64{m / 12 * (s[1]*s[1] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[1]*s[1])}
}

// lump is a geometry as mass: its volume, centre and inertia per mass, axes as the part's.
func (g *Geom) lump() (volume float64, centre, inertia [3]float64) {
	r := g.Radius
	var s [3]float64
	axis, length := 1, 0.0
	for k := range 3 {
		centre[k] = (g.From[k] + g.To[k]) / 2
		s[k] = math.Abs(g.To[k] - g.From[k])
		if s[k] > length {
			axis, length = k, s[k]
		}
	}
	switch g.Kind {
	case Box:
		if g.Turn != 0 {
			c, w := math.Cos(g.Turn), math.Sin(g.Turn)
			centre[0], centre[2] = c*centre[0]+w*centre[2], -w*centre[0]+c*centre[2]
		}
		return s[0] * s[1] * s[2], centre, boxInertia(1, s)
	case Sphere:
		return 4 * math.Pi / 3 * r * r * r, g.From, [3]float64{0.4 * r * r, 0.4 * r * r, 0.4 * r * r}
	}
	for k := range inertia { // a capsule counts as the cylinder between its ends
		inertia[k] = (3*r*r + length*length) / 12
	}
	inertia[axis] = r * r / 2
	return math.Pi * r * r * length, centre, inertia
}

// distribute spreads the part's mass evenly over the solids and sets its centre of mass and inertia. Products of
// inertia are left out: the parts are symmetric.
func (p *Part) distribute(solids []Geom) {
	var total float64
	for i := range solids {
		v, c, _ := solids[i].lump()
		total += v
		for k := range c {
			p.Centre[k] += v * c[k]
		}
	}
	for k := range p.Centre {
		p.Centre[k] = math.Round(p.Centre[k]/total*1e7) / 1e7
	}
	for i := range solids {
		v, c, in := solids[i].lump()
		m := p.Mass * v / total
		d := [3]float64{c[0] - p.Centre[0], c[1] - p.Centre[1], c[2] - p.Centre[2]}
		for k := range in {
			a, b := d[(k+1)%3], d[(k+2)%3]
			p.Inertia[k] += m * (in[k] + a*a + b*b)
		}
	}
}

// check reports what would make the part's model meaningless.
func (p *Part) check() error {
	if p.Mass <= 0 || p.Inertia[0] <= 0 || p.Inertia[1] <= 0 || p.Inertia[2] <= 0 || len(p.Geoms) == 0 {
		return fmt.Errorf("part %s has no mass, inertia or geometry", p.Name)
	}
	return nil
}
