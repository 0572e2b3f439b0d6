package sim

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"korr/internal/geom"
	"korr/internal/seed"
)

// Randomness names how far the initial state is displaced.
type Randomness string

// The published levels (KORR, arXiv 2509.12562; robust-rearrangement, arXiv 2407.16677).
const (
	Low  Randomness = "low"
	Med  Randomness = "med"
	High Randomness = "high"
)

// Mixed draws the level of every episode from the episode's seed: low 30 %, med 40 %, high 30 %. Training on it makes
// one policy for all levels (ours; the published policies are trained one a level).
const Mixed Randomness = "mixed"

// Levels lists the levels of initial randomness, from the smallest.
func Levels() []Randomness { return []Randomness{Low, Med, High} }

// Of an episode: the level that its seed draws of Mixed, any other as it is.
func (r Randomness) Of(episode uint64) Randomness {
	if r != Mixed {
		return r
	}
	switch x := seed.Stream(episode, "sim/level", 0).Float64(); {
	case x < 0.3:
		return Low
	case x < 0.7:
		return Med
	}
	return High
}

// Level holds the magnitudes behind a Randomness.
type Level struct {
	Force    float64 // N, in the horizontal plane, before the part's multiplier
	Torque   float64 // N m, about the vertical, before the part's multiplier
	Obstacle float64 // m, offset of the obstacle in x and y
	Joint    float64 // rad, offset of every arm joint
}

// Level returns the magnitudes of r, or an error that lists the known names.
func (r Randomness) Level() (Level, error) {
	deg := math.Pi / 180
	switch r {
	case Low:
		return Level{Force: 0.2, Torque: 0.007, Obstacle: 0.02, Joint: 5 * deg}, nil
	case Med:
		return Level{Force: 0.5, Torque: 0.010, Obstacle: 0.04, Joint: 10 * deg}, nil
	case High:
		return Level{Force: 0.75, Torque: 0.015, Obstacle: 0.06, Joint: 13 * deg}, nil
	}
	return Level{}, fmt.Errorf("randomness %q is not known: use low, med or high, or mixed where episodes are drawn",
		string(r))
}

// PerturbProbability is the chance, per part and control step, of a random push (method of the published evaluation).
const PerturbProbability = 0.01

// Part is one movable piece of furniture.
type Part struct {
	Name      string
	Size      [3]float64 // m, extents along the part's own axes
	Mass      float64    // kg
	Centre    [3]float64 // centre of mass in the part's frame, m
	Inertia   [3]float64 // about the centre of mass, axes as the part's, kg m^2
	Geoms     []Geom     // what it looks like and meets others with
	Rolling   float64    // rolling friction, m; for round parts, which would roll away without it
	Position  [3]float64 // nominal position of the part's origin, tag frame, m
	RPY       [3]float64 // nominal rotation in the tag frame, Rz(yaw) Ry(pitch) Rx(roll), rad
	Scatter   float64    // m, bound of a uniform displacement along x and y of the base frame before the initial push
	Twist     float64    // rad, bound of a uniform turn about the vertical before the initial push
	ForceMul  float64    // multiplier of the random force
	TorqueMul float64    // multiplier of the random torque
	// PushForce and PushTorque are calibrated shares of the published force and torque; zero counts as one, the published
	// value. The published impulses throw light parts of the lamp and the round table off this model's table. The shares
	// give them what one_leg's top has at the published impulse, or less: 5 to 8 mm on average at low, 26 to 37 mm at med
	// (docs/simulator.md has the table).
	PushForce, PushTorque float64
}

// Yaw says which turns of a part about its joint's axis count as assembled.
type Yaw string

// The choices of yaw.
const (
	Symmetric Yaw = "symmetric" // every turn that looks the same
	Published Yaw = "published" // the target's alone, within RotTolerance: 20 degrees
)

// Yaws lists the choices, the default first.
func Yaws() []string { return []string{string(Symmetric), string(Published)} }

// Task is a furniture task as data; engines generate their model from it.
type Task struct {
	Name         string
	Parts        []Part
	Pairs        []Pair
	MaxSteps     int     // control steps at 10 Hz
	GripperWidth float64 // m, maximum opening
	PosTolerance float64 // m per axis of the first part's frame
	RotTolerance float64 // least cosine between corresponding rotation rows
	Hold         int     // control steps all pairs must stand assembled together for success; 0 or 1: each once is enough
	Yaw          Yaw     // which turns about a joint's axis count as assembled; empty: Symmetric
	Before       bool    // the parts stand before the obstacle, not between its arms
}

// rotation is the quaternion of Rz(yaw) Ry(pitch) Rx(roll), the Euler angles of FurnitureBench's poses.
func rotation(roll, pitch, yaw float64) geom.Quat {
	return geom.RotZ(yaw).Mul(geom.RotY(pitch)).Mul(geom.RotX(roll)).Quat()
}

var tasks = map[string]func() *Task{
	"one_leg": oneLeg, "lamp": lamp, "round_table": roundTable, "square_table": squareTable, "mug_rack": mugRack,
	"peg_hole": pegHole,
}

// TaskNames lists the known tasks in alphabetical order.
func TaskNames() []string {
	var known []string
	for k := range tasks {
		known = append(known, k)
	}
	sort.Strings(known)
	return known
}

// TaskByName returns a fresh copy of a task, or an error that lists the known ones.
func TaskByName(name string) (*Task, error) {
	f, ok := tasks[name]
	if !ok {
		return nil, fmt.Errorf("task %q is not known: use %s", name, strings.Join(TaskNames(), ", "))
	}
	t := f()
	for i := range t.Parts {
		if err := t.Parts[i].check(); err != nil {
			return nil, fmt.Errorf("task %s: %w", name, err)
		}
	}
	return t, nil
}

// ObsDim is the width of the task's observation.
func (t *Task) ObsDim() int { return StateDim + PoseDim*(len(t.Parts)+1) }

// PartNames lists the parts in observation order, the obstacle last.
func (t *Task) PartNames() []string {
	var n []string
	for _, p := range t.Parts {
		n = append(n, p.Name)
	}
	return append(n, "obstacle")
}
