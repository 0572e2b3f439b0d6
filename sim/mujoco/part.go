package mujoco

import (
	"fmt"
	"math"
	"strings"

	"korr/internal/geom"
	"korr/sim"
)

// contactBits are the collision bits (contype, conaffinity) of a contact class; scene.xml lists the bits.
var contactBits = map[sim.Contact][2]int{
	sim.Solid: {8, 13}, sim.Wall: {4, 0}, sim.Outline: {2, 1}, sim.Hollow: {8, 12},
}

// partXML is the body of part i: a free joint, its mass, its geometry, and a phantom nut per thread that it receives.
func partXML(t *sim.Task, i int) (string, error) {
	p := &t.Parts[i]
	pose := NominalPose(p)
	var b strings.Builder
	fmt.Fprintf(&b, "    <body name=%q pos=\"%.9g %.9g %.9g\" quat=\"%.9g %.9g %.9g %.9g\">\n", p.Name, pose.P[0],
		pose.P[1], pose.P[2], pose.Q[3], pose.Q[0], pose.Q[1], pose.Q[2])
	fmt.Fprintf(&b, "      <joint name=%q type=\"free\" armature=\"%g\"/>\n", p.Name+"_free", partArmature)
	fmt.Fprintf(&b, "      <inertial pos=\"%.6g %.6g %.6g\" mass=\"%g\" diaginertia=\"%.6g %.6g %.6g\"/>\n", p.Centre[0],
		p.Centre[1], p.Centre[2], p.Mass, p.Inertia[0], p.Inertia[1], p.Inertia[2])
	threads := map[string]int{}
	for k := range p.Geoms {
		if err := geomXML(&b, p, &p.Geoms[k], threads); err != nil {
			return "", fmt.Errorf("part %s: %w", p.Name, err)
		}
	}
	for k := range t.Pairs {
		if pair := &t.Pairs[k]; pair.Receiver() == i && pair.Thread != nil {
			nut(&b, t.Parts[pair.Second].Name, pair)
		}
	}
	b.WriteString("    </body>\n")
	return b.String(), nil
}

func geomXML(b *strings.Builder, p *sim.Part, g *sim.Geom, threads map[string]int) error {
	name := ""
	if g.Thread != "" {
		name = fmt.Sprintf("name=\"%s_peg%d\" ", g.Thread, threads[g.Thread])
		threads[g.Thread]++
	}
	bits, ok := contactBits[g.Contact]
	if !ok {
		return fmt.Errorf("contact class %d has no collision bits", g.Contact)
	}
	var shape string
	from, to := geom.Vec3(g.From), geom.Vec3(g.To)
	switch g.Kind {
	case sim.Box:
		h, c := to.Sub(from).Scale(0.5), to.Add(from).Scale(0.5)
		turn := ""
		if g.Turn != 0 {
			q := geom.AxisAngle(geom.Vec3{0, 1, 0}, g.Turn)
			c = q.Rotate(c)
			turn = fmt.Sprintf("quat=\"%.9g 0 %.9g 0\" ", math.Cos(g.Turn/2), math.Sin(g.Turn/2))
		}
		shape = fmt.Sprintf("size=\"%.9g %.9g %.9g\" pos=\"%.9g %.9g %.9g\" %s", math.Abs(h[0]), math.Abs(h[1]),
			math.Abs(h[2]), c[0], c[1], c[2], turn)
	case sim.Capsule, sim.Cylinder:
		shape = fmt.Sprintf("fromto=\"%.9g %.9g %.9g %.9g %.9g %.9g\" size=\"%g\" ", from[0], from[1], from[2], to[0], to[1],
			to[2], g.Radius)
	case sim.Sphere:
		shape = fmt.Sprintf("pos=\"%.9g %.9g %.9g\" size=\"%g\" ", from[0], from[1], from[2], g.Radius)
	default:
		return fmt.Errorf("no primitive of kind %q", g.Kind)
	}
	rolling := ""
	if p.Rolling > 0 { // the table's priority, or its own friction alone would count
		rolling = fmt.Sprintf("priority=\"1\" condim=\"6\" friction=\"%g .005 %g\" ", partFriction, p.Rolling)
	}
	fmt.Fprintf(b, "      <geom %sclass=\"part\" type=%q %s%scontype=\"%d\" conaffinity=\"%d\" rgba=%q/>\n", name,
		string(g.Kind), shape, rolling, bits[0], bits[1], g.Color)
	return nil
}

// nut is the phantom nut of a pair: a slide and a hinge along the axis of the hole, coupled by the thread's pitch.
func nut(b *strings.Builder, name string, pair *sim.Pair) {
	at := pair.Hole(0)
	turned := ""
	if at.Q != geom.IdentityQuat {
		turned = fmt.Sprintf(" quat=\"%.9g %.9g %.9g %.9g\"", at.Q[3], at.Q[0], at.Q[1], at.Q[2])
	}
	fmt.Fprintf(b, "      <body name=%q pos=\"%.9g %.9g %.9g\"%s><inertial pos=\"0 0 0\" mass=\"0.002\" "+
		"diaginertia=\"2e-6 2e-6 2e-6\"/>\n", name+"_nut", at.P[0], at.P[1], at.P[2], turned)
	fmt.Fprintf(b, "        <joint name=%q type=\"slide\" axis=\"0 1 0\" armature=\"0.02\" damping=\"1\"/>\n",
		name+"_slide")
	fmt.Fprintf(b, "        <joint name=%q type=\"hinge\" axis=\"0 1 0\" range=\"-1 1\" frictionloss=\"%g\" "+
		"damping=\"0.002\" armature=\"0.0002\"/></body>\n", name+"_hinge", pair.Thread.Friction)
}
