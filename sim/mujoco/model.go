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
)

// obstacleNominal is the front obstacle's centre in the base frame (m), as in FurnitureBench's simulator.
var obstacleNominal = geom.Vec3{0.3015 + 0.38, 0, 0.015}

// Published limits of the Panda's joints: torque (N m), velocity (rad/s) and acceleration (rad/s^2). Those of position
// are in panda.xml.
var (
	jointTorque = [7]float64{87, 87, 87, 87, 12, 12, 12}
	jointSpeed  = [7]float64{2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61}
	jointAccel  = [7]float64{15, 7.5, 10, 12.5, 15, 20, 20}
)

// What a finger does, well within Franka's hand (0.05 m/s, 70 N): faster fingers, or a firmer grip, sink into what they
// take.
const (
	fingerSpeed = 0.04 // m/s
	fingerForce = 10   // N
)

// servo is one arm joint's position servo and its torque limit (N m). Its velocity gain times the time step stays below
// the joint's armature, because the Euler integrator takes actuator damping explicitly.
type servo struct {
	Joint  int
	Torque float64
}

// ModelXML generates the MuJoCo model of a task.
func ModelXML(t *sim.Task) (string, error) {
	tmpl, err := template.New("scene").Parse(sceneXML)
	if err != nil {
		return "", err
	}
	var parts, eqs, apart strings.Builder // apart: pairs that cull.c may exclude
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
			fmt.Fprintf(&eqs, "    <joint name=%q joint1=%q joint2=%q polycoef=\"0 %.9g 0 0 0\" solref=\".004 1\" "+
				"solimp=\".99 .999 .0001\"/>\n", n+"_screw", n+"_slide", n+"_hinge", p.Thread.Pitch/(2*math.Pi))
			fmt.Fprintf(&eqs, "    <weld name=%q body1=%q body2=%q active=\"false\" solref=\".01 1\" solimp=\".95 .99 .001\" "+
				"torquescale=\"1\"/>\n", n+"_thread", n+"_nut", t.Parts[p.Male()].Name)
		}
	}
	hand := []string{"obstacle", "hand", "finger1", "finger2"}
	for i := range t.Parts {
		for _, other := range hand {
			fmt.Fprintf(&apart, "    <exclude body1=%q body2=%q/>\n", other, t.Parts[i].Name)
		}
		hand = append(hand, t.Parts[i].Name)
	}
	arm := make([]servo, 7)
	for k := range arm {
		arm[k] = servo{k + 1, jointTorque[k]}
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Name": t.Name, "TableFriction": tableFriction, "PartFriction": partFriction, "Panda": pandaXML,
		"Parts": parts.String(), "Equalities": eqs.String(), "Apart": apart.String(), "Arm": arm,
		"Obstacle": fmt.Sprintf("%g %g %g", obstacleNominal[0], obstacleNominal[1], obstacleNominal[2]),
	})
	return out.String(), err
}

// NominalPose is a part's published initial pose in the base frame.
func NominalPose(p *sim.Part) geom.Pose {
	r := geom.RotZ(p.RPY[2]).Mul(geom.RotY(p.RPY[1])).Mul(geom.RotX(p.RPY[0]))
	return geom.TagFrame.Mul(geom.Pose{P: geom.Vec3(p.Position), Q: r.Quat()})
}

// boxInertia is the principal inertia of a uniform box (kg m^2).
func boxInertia(m float64, s geom.Vec3) geom.Vec3 {
	return geom.Vec3{m / 12 * (s[1]*s[1] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[2]*s[2]), m / 12 * (s[0]*s[0] + s[1]*s[1])}
}
