// Package mujoco is the MuJoCo engine behind sim.Env: a Franka Panda, a table with an obstacle and the parts of a
// furniture task, controlled by differential inverse kinematics at 10 Hz, with threads modelled as an engagement
// state (a phantom nut welded to the peg) because MuJoCo's contacts are convex.
//
// The engine needs the build tag mujoco and cgo; without them New returns sim.ErrNoEngine and everything else in the
// package still works. Sources: MuJoCo 2.2.2 documentation; FurnitureBench (arXiv 2305.12821) for the scene.
package mujoco

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"korr/internal/geom"
	"korr/sim"
	"korr/sim/domain"
)

// Config chooses what New builds. The fields with a key are settings; an empty Randomness means low, an empty Yaw
// sim.Symmetric.
type Config struct {
	Task string `yaml:"task"` // furniture task
	// initial part and obstacle displacement: low, med, high, or mixed, drawn anew for every episode
	Randomness sim.Randomness `yaml:"randomness"`
	// strength of the pushes after control steps; 0 = none, 1 = as published
	Perturb float64 `yaml:"perturb"`
	// control steps at 10 Hz before a time-out; 0 = the task's own limit
	MaxSteps int `yaml:"max_steps"`
	// turns about a joint's axis that count as assembled: symmetric (all that look the same) or published (one,
	// within 20 degrees)
	Yaw  sim.Yaw `yaml:"yaw"`
	Hold int     // control steps that success must last; 0 means the task's own (as published: one)
	// the first observation shows the nominal poses: the initial push comes with the first control step
	Unsettled bool
	ModelXML  string        // replaces the generated model; empty for the task's own
	Domain    domain.Ranges // physics drawn anew for every episode; the zero value for the nominal ones
}

// ResetJoints is the arm's initial posture (rad), as FurnitureBench's.
var ResetJoints = [7]float64{-0.0263, 0.3759, 0.1249, -2.1383, -0.0943, 2.4965, 0.0192}

// Timing: 20 physics steps of 5 ms per control step of 10 Hz; a push lasts three physics steps (the
// published one lasts one or two substeps of 1/120 s); after the initial push the parts slide until they rest.
const (
	controlHz     = sim.ControlHz
	substeps      = 20
	pushSubsteps  = 3
	settleSteps   = 8
	obstacleSlack = 0.002 // m kept between a displaced obstacle and the first part
	armLength     = 0.160 // m: the obstacle's side bars end this far before the centre of its front
	minToolHeight = 0.075 // m: a displaced arm that would start in touch with the parts is drawn again
	resetTries    = 100
)

// body inertia about the vertical while lying at the nominal pose, kg m^2: what a torque about the vertical turns.
func verticalInertia(p *sim.Part) float64 {
	q := NominalPose(p).Q
	in := boxInertia(p.Mass, p.Size)
	var sum float64
	for k := range in {
		var axis geom.Vec3
		axis[k] = 1
		z := q.Rotate(axis)[2]
		sum += in[k] * z * z
	}
	return sum
}

// torqueScale makes a push turn a part through the angle that its own inertia would give, although the free joint's
// armature adds to it: equal energy, so sqrt((I+a)/I).
func torqueScale(p *sim.Part) float64 {
	in := verticalInertia(p)
	return math.Sqrt((in + partArmature) / in)
}

func (c *Config) resolve() (*sim.Task, sim.Level, error) {
	task, err := sim.TaskByName(c.Task)
	if err != nil {
		return nil, sim.Level{}, err
	}
	if c.Randomness == "" {
		c.Randomness = sim.Low
	}
	level, err := c.Randomness.Of(0).Level()
	if err != nil {
		return nil, sim.Level{}, err
	}
	if c.Perturb < 0 || math.IsNaN(c.Perturb) || c.Perturb > 100 {
		return nil, sim.Level{}, fmt.Errorf("perturbation strength %v: use 0 (off) to 100, 1 is the published strength",
			c.Perturb)
	}
	if c.MaxSteps < 0 {
		return nil, sim.Level{}, fmt.Errorf("max steps %d: use 0 for the task's own limit or a positive number", c.MaxSteps)
	}
	if c.Hold < 0 {
		return nil, sim.Level{}, fmt.Errorf("hold %d: use 0 for the task's own or a positive number of control steps", c.Hold)
	}
	if err := c.Domain.Validate(); err != nil {
		return nil, sim.Level{}, err
	}
	if c.Yaw != "" && !slices.Contains(sim.Yaws(), string(c.Yaw)) {
		return nil, sim.Level{}, fmt.Errorf("yaw %q: use %s", c.Yaw, strings.Join(sim.Yaws(), " or "))
	}
	task.Yaw = c.Yaw
	if c.Hold > 0 {
		task.Hold = c.Hold
	}
	if c.MaxSteps == 0 {
		c.MaxSteps = task.MaxSteps
	}
	return task, level, nil
}
