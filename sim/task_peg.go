package sim

import "math"

// Peg-in-hole geometry (m), after Factory's round 8 mm peg (arXiv 2205.03532): y is the axis of either part. The block
// and the clearance are ours: no public text gives them.
const (
	pinRadius    = 0.004
	pinLength    = 0.050
	pinClearance = 0.00025 // on either side: 0.5 mm on the diameter
	pinRing      = 0.0007  // radius of the capsules that stand for its surface, and of its rounded edge
	blockHalf    = 0.020   // half the width of the block with the hole
	blockHeight  = 0.025   // which the hole goes through
	steelDensity = 8000    // kg/m^3
)

// Displacements that the published simulator draws for these parts at every level, instead of pushing them.
const (
	pinScatter = 0.010       // m
	pinTwist   = math.Pi / 4 // rad
)

// pegBlock: a square steel block with a hole through it; its origin is at the centre of its lower face.
func pegBlock() Part {
	w, h := blockHalf, blockHeight
	p := Part{
		Name: "hole", Size: [3]float64{2 * w, h, 2 * w},
		Mass:     math.Round(1e4*steelDensity*(4*w*w-math.Pi*pinRadius*pinRadius)*h) / 1e4,
		Position: [3]float64{-0.05, 0.0985, 0}, RPY: [3]float64{-math.Pi / 2, 0, 0}, ForceMul: 0.001, TorqueMul: 0.001,
		Scatter: pinScatter, Twist: pinTwist,
	}
	p.Geoms = frame(1, 0, h, w, pinRadius+pinClearance, Wall, ".45 .47 .50 1")
	p.distribute(p.Geoms)
	p.Geoms = append(p.Geoms, Geom{
		Kind: Box, From: [3]float64{-w, 0, -w}, To: [3]float64{w, h, w}, Contact: Outline, Color: "0 0 0 0",
	})
	return p
}

// pegPin: a round steel peg that stands on its end. Its lower half is a ring of capsules, which ends nearly square; the
// hand takes the upper half, one capsule, which it cannot turn by closing. A square bar meets the table, where round
// ends would wobble and a lying cylinder would roll.
func pegPin() Part {
	r, h := pinRadius, pinLength/2
	p := Part{
		Name: "peg", Size: [3]float64{2 * r, pinLength, 2 * r},
		Mass:     math.Round(1e4*steelDensity*math.Pi*r*r*pinLength) / 1e4,
		Position: [3]float64{0.05, 0.0985, -h}, RPY: [3]float64{-math.Pi / 2, 0, 0}, ForceMul: 0.001, TorqueMul: 0.001,
		Scatter: pinScatter, Twist: pinTwist,
	}
	p.distribute([]Geom{{Kind: Cylinder, From: [3]float64{0, -h, 0}, To: [3]float64{0, h, 0}, Radius: r}})
	for k := range pegRing {
		z, x := math.Sincos(2 * math.Pi * float64(k) / pegRing)
		x, z = (r-pinRing)*x, (r-pinRing)*z
		p.Geoms = append(p.Geoms, Geom{
			Kind: Capsule, From: [3]float64{x, pinRing - h, z}, To: [3]float64{x, 0, z}, Radius: pinRing,
			Contact: Hollow, Color: steel,
		})
	}
	p.Geoms = append(p.Geoms,
		Geom{Kind: Capsule, To: [3]float64{0, h - r, 0}, Radius: r, Contact: Hollow, Color: steel},
		Geom{Kind: Box, From: [3]float64{-r, -h, -r}, To: [3]float64{r, h, r}, Contact: Outline, Color: "0 0 0 0"})
	return p
}

// pegHole: the peg through the block.
func pegHole() *Task {
	return &Task{
		Name: "peg_hole", Parts: []Part{pegBlock(), pegPin()}, Before: true,
		Pairs: []Pair{{
			First: 0, Second: 1, Symmetry: Round, Targets: [][3]float64{{0, pinLength / 2, 0}},
			Tip: [3]float64{0, -pinLength / 2, 0},
		}},
		MaxSteps: 200, GripperWidth: 0.070, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}
