package mujoco

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strings"
	"text/template"

	"korr/internal/geom"
	"korr/sim"
)

//go:embed scene.xml
var sceneXML string

//go:embed panda.xml
var pandaXML string

// Friction coefficients and the armature of parts. FurnitureBench's simulator uses 0.15 for parts and 0.10 for its
// table; see RATIONALE.md for the table's higher value here.
const (
	tableFriction = 0.5
	partFriction  = 0.15
	partArmature  = 0.0001 // kg and kg m^2 on a part's free joint: stiff couplings need it
	clearance     = 0.0005 // radial clearance between a peg and its hole, m
	pegRadius     = 0.012  // major radius of the threaded peg, m
	holeFloor     = 0.005  // depth at which a peg that found no thread stands, m
	pegRing       = 8      // capsules that stand for the peg's surface
	capsule       = 0.003  // their radius, m
)

// obstacleNominal is the front obstacle's centre in the base frame (m), as in FurnitureBench's simulator.
var obstacleNominal = geom.Vec3{0.3015 + 0.38, 0, 0.015}

// servo is one arm joint's position servo: torque limit (N m) and velocity gain (N m s/rad). The velocity gain times
// the time step stays below the joint's armature, because the Euler integrator takes actuator damping explicitly.
type servo struct {
	Joint           int
	Torque, Damping float64
}

// ModelXML generates the MuJoCo model of a task.
func ModelXML(t *sim.Task) (string, error) {
	tmpl, err := template.New("scene").Parse(sceneXML)
	if err != nil {
		return "", err
	}
	var parts, eqs strings.Builder
	for i := range t.Parts {
		body, err := partXML(t, i)
		if err != nil {
			return "", err
		}
		parts.WriteString(body)
	}
	for _, p := range t.Pairs {
		if p.Thread != nil {
			n := t.Parts[p.Second].Name
			fmt.Fprintf(&eqs, "    <joint name=%q joint1=%q joint2=%q polycoef=\"0 %.9g 0 0 0\" solref=\".004 1\" solimp=\".99 .999 .0001\"/>\n", n+"_screw", n+"_slide", n+"_hinge", p.Thread.Pitch/(2*math.Pi))
			fmt.Fprintf(&eqs, "    <weld name=%q body1=%q body2=%q active=\"false\" solref=\".01 1\" solimp=\".95 .99 .001\" torquescale=\"1\"/>\n", n+"_thread", n+"_nut", n)
		}
	}
	arm := make([]servo, 7)
	for k := range arm {
		arm[k] = servo{k + 1, 87, 60}
		if k >= 4 {
			arm[k].Torque, arm[k].Damping = 12, 20
		}
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Name": t.Name, "TableFriction": tableFriction, "PartFriction": partFriction, "Panda": pandaXML,
		"Parts": parts.String(), "Equalities": eqs.String(), "Arm": arm,
		"Obstacle": fmt.Sprintf("%g %g %g", obstacleNominal[0], obstacleNominal[1], obstacleNominal[2]),
	})
	return out.String(), err
}

func partXML(t *sim.Task, i int) (string, error) {
	p := &t.Parts[i]
	pose := NominalPose(p)
	var b strings.Builder
	fmt.Fprintf(&b, "    <body name=%q pos=\"%.9g %.9g %.9g\" quat=\"%.9g %.9g %.9g %.9g\">\n", p.Name, pose.P[0], pose.P[1], pose.P[2], pose.Q[3], pose.Q[0], pose.Q[1], pose.Q[2])
	fmt.Fprintf(&b, "      <joint name=%q type=\"free\" armature=\"%g\"/>\n", p.Name+"_free", partArmature)
	switch p.Shape {
	case sim.ShapeTableTop:
		tableTop(&b, t, i)
	case sim.ShapeTableLeg:
		tableLeg(&b, p)
	default:
		return "", fmt.Errorf("part %s: shape %q has no geometry", p.Name, p.Shape)
	}
	b.WriteString("    </body>\n")
	return b.String(), nil
}

// NominalPose is a part's published initial pose in the base frame.
func NominalPose(p *sim.Part) geom.Pose {
	r := geom.RotZ(p.RPY[2]).Mul(geom.RotY(p.RPY[1])).Mul(geom.RotX(p.RPY[0]))
	return geom.TagFrame.Mul(geom.Pose{P: geom.Vec3(p.Position), Q: r.Quat()})
}

func box(b *strings.Builder, attrs string, lo, hi geom.Vec3) {
	h, c := hi.Sub(lo).Scale(0.5), hi.Add(lo).Scale(0.5)
	fmt.Fprintf(b, "      <geom class=\"part\" type=\"box\" size=\"%.9g %.9g %.9g\" pos=\"%.9g %.9g %.9g\" %s/>\n", h[0], h[1], h[2], c[0], c[1], c[2], attrs)
}

// boxInertia is the principal inertia of a uniform box (kg m^2).
func boxInertia(m float64, s geom.Vec3) geom.Vec3 {
	return geom.Vec3{m / 12 * (s[1]*s[1] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[1]*s[1])}
}

// tableTop: a plate with four square openings that only legs meet, one box that the table and the obstacle meet, and
// a phantom nut per peg that screws into it.
func tableTop(b *strings.Builder, t *sim.Task, i int) {
	p := &t.Parts[i]
	in := boxInertia(p.Mass, p.Size)
	fmt.Fprintf(b, "      <inertial pos=\"0 0 0\" mass=\"%g\" diaginertia=\"%.6g %.6g %.6g\"/>\n", p.Mass, in[0], in[1], in[2])
	const plate = `contype="4" conaffinity="0" rgba=".80 .66 .42 1"`
	w, y, h, o := p.Size[0]/2, p.Size[1]/2, sim.HoleXZ, pegRadius+clearance
	edge := []float64{-w, -h - o, -h + o, h - o, h + o, w} // solid, hole, solid, hole, solid along x and z
	for k := 0; k < 5; k++ {
		if k%2 == 0 {
			box(b, plate, geom.Vec3{-w, -y, edge[k]}, geom.Vec3{w, y, edge[k+1]})
			continue
		}
		for j := 0; j < 5; j += 2 {
			box(b, plate, geom.Vec3{edge[j], -y, edge[k]}, geom.Vec3{edge[j+1], y, edge[k+1]})
		}
		for j := 1; j < 5; j += 2 {
			box(b, `contype="4" conaffinity="0" rgba=".45 .35 .2 1"`, geom.Vec3{edge[j], -y, edge[k]}, geom.Vec3{edge[j+1], y - holeFloor, edge[k+1]})
		}
	}
	box(b, `contype="2" conaffinity="1" rgba="0 0 0 0"`, geom.Vec3{-w, -y, -w}, geom.Vec3{w, y, w})
	for _, pair := range t.Pairs {
		if pair.First == i && pair.Thread != nil {
			nut(b, t.Parts[pair.Second].Name, pair.Mouth(0))
		}
	}
}

func nut(b *strings.Builder, name string, at [3]float64) {
	fmt.Fprintf(b, "      <body name=%q pos=\"%.9g %.9g %.9g\"><inertial pos=\"0 0 0\" mass=\"0.002\" diaginertia=\"2e-6 2e-6 2e-6\"/>\n", name+"_nut", at[0], at[1], at[2])
	fmt.Fprintf(b, "        <joint name=%q type=\"slide\" axis=\"0 1 0\" armature=\"0.02\" damping=\"1\"/>\n", name+"_slide")
	fmt.Fprintf(b, "        <joint name=%q type=\"hinge\" axis=\"0 1 0\" range=\"-1 1\" frictionloss=\"0.01\" damping=\"0.002\" armature=\"0.0002\"/></body>\n", name+"_hinge")
}

// tableLeg: a square body and a ring of capsules that stands for the threaded peg.
func tableLeg(b *strings.Builder, p *sim.Part) {
	shoulder := sim.LegTipY + sim.LegPeg
	body := geom.Vec3{p.Size[0], sim.LegHeadY - shoulder, p.Size[2]}
	bodyVol, pegVol := body[0]*body[1]*body[2], math.Pi*pegRadius*pegRadius*sim.LegPeg
	pegCom := sim.LegTipY + sim.LegPeg/2
	com := (pegVol * pegCom) / (bodyVol + pegVol) // the body is centred at y = 0
	mb, mp := p.Mass*bodyVol/(bodyVol+pegVol), p.Mass*pegVol/(bodyVol+pegVol)
	in := boxInertia(mb, body)
	across := mp*(3*pegRadius*pegRadius+sim.LegPeg*sim.LegPeg)/12 + mp*(pegCom-com)*(pegCom-com) + mb*com*com
	in[0], in[2] = in[0]+across, in[2]+across
	in[1] += mp * pegRadius * pegRadius / 2
	fmt.Fprintf(b, "      <inertial pos=\"0 %.6g 0\" mass=\"%g\" diaginertia=\"%.6g %.6g %.6g\"/>\n", com, p.Mass, in[0], in[1], in[2])
	box(b, `contype="8" conaffinity="13" rgba=".86 .55 .22 1"`, geom.Vec3{-p.Size[0] / 2, shoulder, -p.Size[2] / 2}, geom.Vec3{p.Size[0] / 2, sim.LegHeadY, p.Size[2] / 2})
	r := pegRadius - capsule
	for k := range pegRing {
		a := 2 * math.Pi * float64(k) / pegRing
		x, z := r*math.Cos(a), r*math.Sin(a)
		fmt.Fprintf(b, "      <geom name=\"%s_peg%d\" class=\"part\" type=\"capsule\" fromto=\"%.9g %.9g %.9g %.9g %.9g %.9g\" size=\"%g\" contype=\"8\" conaffinity=\"13\" rgba=\".5 .5 .52 1\"/>\n", p.Name, k, x, shoulder, z, x, sim.LegTipY+capsule, z, capsule)
	}
}
