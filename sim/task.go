package sim

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Randomness names how far the initial state is displaced.
type Randomness string

// The published levels (KORR, arXiv 2509.12562; robust-rearrangement, arXiv 2407.16677).
const (
	Low  Randomness = "low"
	Med  Randomness = "med"
	High Randomness = "high"
)

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
	return Level{}, fmt.Errorf("randomness %q is not known: use low, med or high", string(r))
}

// PerturbProbability is the chance, per part and control step, of a random push (method of the published evaluation).
const PerturbProbability = 0.01

// Shape names the geometry generator of a part.
type Shape string

// Shapes known to the engines.
const (
	ShapeTableTop Shape = "table_top" // square top with four threaded holes
	ShapeTableLeg Shape = "table_leg" // square leg with a threaded peg
)

// Part is one movable piece of furniture.
type Part struct {
	Name      string
	Shape     Shape
	Size      [3]float64 // m, extents along the part's own axes; y is the part's own axis
	Mass      float64    // kg
	Position  [3]float64 // nominal centre of the axis-aligned box's origin, tag frame, m
	RPY       [3]float64 // nominal rotation in the tag frame, Rz(yaw) Ry(pitch) Rx(roll), rad
	ForceMul  float64    // multiplier of the random force
	TorqueMul float64    // multiplier of the random torque
}

// Pair is an assembly to achieve: the second part at one of the target poses in the first part's frame.
type Pair struct {
	First, Second int          // indices into Task.Parts
	Targets       [][3]float64 // positions of the second part in the first part's frame, m (identity rotation)
	Symmetry      int          // rotational symmetry of the second part about its own y axis (4 for a square leg)
	Tip           [3]float64   // tip of the male part in its own frame, m: what must enter the hole
	Thread        *Thread      // nil: the part is placed, not screwed
}

// Thread describes a screwed connection along the first part's y axis.
type Thread struct {
	Pitch float64 // m of depth per turn; clockwise seen from above goes in
	Seat  float64 // depth of the tip below the hole's mouth when assembled, m
}

// Mouth is the centre of the opening that leads to target i, in the first part's frame (m).
func (p *Pair) Mouth(i int) [3]float64 {
	m := p.Targets[i]
	for k := range m {
		m[k] += p.Tip[k]
	}
	if p.Thread != nil {
		m[1] += p.Thread.Seat
	}
	return m
}

// Task is a furniture task as data; engines generate their model from it.
type Task struct {
	Name         string
	Parts        []Part
	Pairs        []Pair
	MaxSteps     int     // control steps at 10 Hz
	GripperWidth float64 // m, maximum opening
	PosTolerance float64 // m per axis of the first part's frame
	RotTolerance float64 // least cosine between corresponding rotation rows
}

// Square-table leg geometry (m, the part's own frame, y its axis): the origin is where FurnitureBench's mesh has it.
const (
	LegTipY  = -0.05625 // end of the threaded peg
	LegHeadY = 0.03125  // free end
	LegPeg   = 0.025    // length of the threaded peg
	TopHalfY = 0.015625 // half the thickness of the square table top
	HoleXZ   = 0.05625  // distance of the holes from the top's centre in x and z
)

func leg(i int, x float64) Part {
	return Part{
		Name: fmt.Sprintf("leg%d", i), Shape: ShapeTableLeg, Size: [3]float64{0.030, 0.0875, 0.030}, Mass: 0.0231,
		Position: [3]float64{x, 0.07, -0.015}, RPY: [3]float64{0, -math.Pi / 2, 0}, ForceMul: 1, TorqueMul: 1,
	}
}

var tasks = map[string]func() *Task{"one_leg": oneLeg}

func oneLeg() *Task {
	h := HoleXZ
	return &Task{
		Name: "one_leg",
		Parts: []Part{
			{
				Name: "top", Shape: ShapeTableTop, Size: [3]float64{0.1625, 0.03125, 0.1625}, Mass: 0.151,
				Position: [3]float64{0, 0.24, -TopHalfY}, RPY: [3]float64{-math.Pi / 2, 0, math.Pi}, ForceMul: 25, TorqueMul: 70,
			},
			leg(1, -0.20), leg(2, -0.12), leg(3, 0.12), leg(4, 0.20),
		},
		Pairs: []Pair{{
			First: 0, Second: 4, Symmetry: 4, Tip: [3]float64{0, LegTipY, 0}, Thread: &Thread{Pitch: 0.008, Seat: LegPeg},
			Targets: [][3]float64{{-h, 0.046875, -h}, {-h, 0.046875, h}, {h, 0.046875, -h}, {h, 0.046875, h}},
		}},
		MaxSteps: 700, GripperWidth: 0.065, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}

// TaskByName returns a fresh copy of a task, or an error that lists the known ones.
func TaskByName(name string) (*Task, error) {
	if f, ok := tasks[name]; ok {
		return f(), nil
	}
	var known []string
	for k := range tasks {
		known = append(known, k)
	}
	sort.Strings(known)
	return nil, fmt.Errorf("task %q is not known: use %s", name, strings.Join(known, ", "))
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
