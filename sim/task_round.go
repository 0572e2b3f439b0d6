package sim

import "math"

// Round-table geometry (m). The top's and the base's own axis is z, the leg's y, as FurnitureBench's published poses
// have it. Origins are the centres of the published sizes: the poses then leave 17.5 mm of the leg in the top and
// 12.5 mm in the base.
const (
	roundTopHalf  = 0.01625  // half the thickness of the top
	roundLegHalf  = 0.045625 // half the length of the leg
	roundLegRing  = 0.02125  // half the width of its square ring, from ringLow to ringHigh along its axis
	ringLow       = -0.018
	ringHigh      = 0.012
	roundLegSeat  = 0.0175
	roundBaseHalf = 0.020 // half the height of the base
	roundBaseSeat = 0.0125
	hubHalf       = 0.020 // half the width of the base's square hub, the part to grasp
	armHalf       = 0.012 // half the width of the base's four arms
	armTop        = -0.008
	footLength    = 0.013
)

// roundTop: a disc, as a square with a strip at each side, and a threaded hole in the face that lies up.
func roundTop() Part {
	p := Part{
		Name: "top", Size: [3]float64{0.200, 0.200, 0.0325}, Mass: 0.1217,
		Position: [3]float64{0, 0.205, -roundTopHalf}, RPY: [3]float64{math.Pi, 0, 0}, ForceMul: 30, TorqueMul: 60,
		PushForce: 0.55, PushTorque: 0.7,
	}
	// half the side of the square in the disc; half the width of the strips that complete it
	const inner, strip, wood = 0.0706, 0.040, ".80 .66 .42 1"
	p.distribute([]Geom{{
		Kind: Cylinder, From: [3]float64{0, 0, -roundTopHalf}, To: [3]float64{0, 0, roundTopHalf},
		Radius: 0.1,
	}})
	p.Geoms = frame(2, -roundTopHalf, roundTopHalf, inner, holeHalf, Wall, wood)
	p.Geoms = append(p.Geoms,
		across(2, -roundTopHalf, roundTopHalf-HoleFloor, -holeHalf, -holeHalf, holeHalf, holeHalf, Wall, ".45 .35 .2 1"))
	for _, s := range []float64{-1, 1} {
		x0, x1 := math.Min(s*inner, s*0.1), math.Max(s*inner, s*0.1)
		p.Geoms = append(p.Geoms, across(2, -roundTopHalf, roundTopHalf, x0, -strip, x1, strip, Wall, wood),
			across(2, -roundTopHalf, roundTopHalf, -strip, x0, strip, x1, Wall, wood))
	}
	p.Geoms = append(p.Geoms, cross(2, -roundTopHalf, roundTopHalf, 0.1, strip)...)
	return p
}

// roundLeg: a square ring between two threaded stems.
func roundLeg() Part {
	p := Part{
		Name: "leg", Size: [3]float64{0.0425, 0.09125, 0.0425}, Mass: 0.0323,
		Position: [3]float64{0.13, 0.10, -roundLegRing}, RPY: [3]float64{0, -math.Pi / 2, 0}, ForceMul: 4, TorqueMul: 4,
		PushTorque: 0.4,
	}
	w := roundLegRing
	ring := Geom{Kind: Box, From: [3]float64{-w, ringLow, -w}, To: [3]float64{w, ringHigh, w}, Color: ".86 .55 .22 1"}
	p.distribute([]Geom{ring, {
		Kind: Cylinder, From: [3]float64{0, -roundLegHalf, 0}, To: [3]float64{0, ringLow, 0},
		Radius: PegRadius,
	}, {
		Kind: Cylinder, From: [3]float64{0, ringHigh, 0}, To: [3]float64{0, roundLegHalf, 0},
		Radius: PegRadius,
	}})
	p.Geoms = append([]Geom{ring}, pegGeoms("leg", -roundLegHalf, ringLow)...)
	p.Geoms = append(p.Geoms, pegGeoms("base", roundLegHalf, ringHigh)...)
	return p
}

// roundBase: a hub with a threaded socket below and four arms with feet; z points away from the socket. (A full disc
// of 130 mm would overlap the top at the published nominal positions.)
func roundBase() Part {
	p := Part{
		Name: "base", Size: [3]float64{0.130, 0.130, 0.040}, Mass: 0.034,
		Position: [3]float64{-0.12, 0.12, -roundBaseHalf}, RPY: [3]float64{math.Pi, 0, 0}, ForceMul: 20, TorqueMul: 10,
		PushForce: 0.23, PushTorque: 0.6,
	}
	const z, r, wood = roundBaseHalf, 0.065, ".72 .58 .36 1"
	p.Geoms = append(frame(2, -z, -z+HoleFloor, hubHalf, holeHalf, Hollow, wood),
		across(2, -z+HoleFloor, z, -hubHalf, -hubHalf, hubHalf, hubHalf, Hollow, wood))
	for _, s := range []float64{-1, 1} {
		arm := func(from, to, top float64) {
			x0, x1 := math.Min(s*from, s*to), math.Max(s*from, s*to)
			p.Geoms = append(p.Geoms, across(2, -z, top, x0, -armHalf, x1, armHalf, Hollow, wood),
				across(2, -z, top, -armHalf, x0, armHalf, x1, Hollow, wood))
		}
		arm(hubHalf, r-footLength, armTop)
		arm(r-footLength, r, z)
	}
	p.distribute(p.Geoms)
	p.Geoms = append(p.Geoms, cross(2, -z, z, r, armHalf)...)
	return p
}

// roundTable: a leg screwed into the top and the base screwed onto the leg.
func roundTable() *Task {
	return &Task{
		Name: "round_table", Parts: []Part{roundTop(), roundLeg(), roundBase()},
		Pairs: []Pair{
			{
				First: 0, Second: 1, Symmetry: Round, Targets: [][3]float64{{0, 0, 0.044375}},
				Rotation: rotation(math.Pi/2, 0, math.Pi+math.Pi/36),
				Tip:      [3]float64{0, -roundLegHalf, 0}, Thread: &Thread{Pitch: 0.008, Seat: roundLegSeat, Friction: 0.005},
			},
			{
				First: 1, Second: 2, Symmetry: Round, MaleFirst: true, Targets: [][3]float64{{0, 0.053125, 0}},
				Rotation: rotation(-math.Pi/2, math.Pi/2, 0),
				Tip:      [3]float64{0, roundLegHalf, 0}, Axis: [3]float64{0, -1, 0}, Thread: &Thread{
					Pitch: 0.008, Seat: roundBaseSeat,
					Friction: 0.003,
				},
			},
		},
		MaxSteps: 1000, GripperWidth: 0.065, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}
