package sim

import (
	"fmt"
	"math"
)

// Square-table leg geometry (m, the part's own frame, y its axis): the origin is where FurnitureBench's mesh has it.
const (
	LegTipY  = -0.05625 // end of the threaded peg
	LegHeadY = 0.03125  // free end
	LegPeg   = 0.025    // length of the threaded peg
	TopHalfY = 0.015625 // half the thickness of the square table top
	HoleXZ   = 0.05625  // distance of the holes from the top's centre in x and z
)

// squareLeg: a square body and a peg, threaded when it is to be screwed in.
func squareLeg(i int, x float64, threaded bool) Part {
	p := Part{
		Name: fmt.Sprintf("leg%d", i), Size: [3]float64{0.030, 0.0875, 0.030}, Mass: 0.0231,
		Position: [3]float64{x, 0.07, -0.015}, RPY: [3]float64{0, -math.Pi / 2, 0}, ForceMul: 1, TorqueMul: 1,
	}
	shoulder := LegTipY + LegPeg
	body := [3]float64{p.Size[0], LegHeadY - shoulder, p.Size[2]}
	bodyVol, pegVol := body[0]*body[1]*body[2], math.Pi*PegRadius*PegRadius*LegPeg
	pegCom := LegTipY + LegPeg/2
	com := (pegVol * pegCom) / (bodyVol + pegVol) // the body is centred at y = 0
	mb, mp := p.Mass*bodyVol/(bodyVol+pegVol), p.Mass*pegVol/(bodyVol+pegVol)
	in := boxInertia(mb, body)
	sideways := mp*(3*PegRadius*PegRadius+LegPeg*LegPeg)/12 + mp*(pegCom-com)*(pegCom-com) + mb*com*com
	in[0], in[2] = in[0]+sideways, in[2]+sideways
	in[1] += mp * PegRadius * PegRadius / 2
	p.Centre, p.Inertia = [3]float64{0, com, 0}, in
	p.Geoms = []Geom{{
		Kind: Box, From: [3]float64{-p.Size[0] / 2, shoulder, -p.Size[2] / 2}, To: [3]float64{
			p.Size[0] / 2, LegHeadY,
			p.Size[2] / 2,
		},
		Color: ".86 .55 .22 1",
	}}
	if threaded {
		p.Geoms = append(p.Geoms, pegGeoms(p.Name, LegTipY, shoulder)...)
		return p
	}
	p.Geoms = append(p.Geoms, Geom{
		Kind: Cylinder, From: [3]float64{0, shoulder, 0}, To: [3]float64{0, LegTipY, 0},
		Radius: PegRadius, Color: steel,
	})
	return p
}

// squareTop: a plate with four square openings that only legs and the hand meet, and one box for the table.
func squareTop() Part {
	p := Part{
		Name: "top", Size: [3]float64{0.1625, 0.03125, 0.1625}, Mass: 0.151,
		Position: [3]float64{0, 0.24, -TopHalfY}, RPY: [3]float64{-math.Pi / 2, 0, math.Pi}, ForceMul: 25, TorqueMul: 70,
	}
	p.Inertia = boxInertia(p.Mass, p.Size)
	w, y, h, o := p.Size[0]/2, p.Size[1]/2, HoleXZ, holeHalf
	edge := []float64{-w, -h - o, -h + o, h - o, h + o, w} // solid, hole, solid, hole, solid along x and z
	wall := func(x0, z0, x1, z1, top float64, color string) {
		p.Geoms = append(p.Geoms, Geom{
			Kind: Box, From: [3]float64{x0, -y, z0}, To: [3]float64{x1, top, z1}, Contact: Wall,
			Color: color,
		})
	}
	for k := 0; k < 5; k++ {
		if k%2 == 0 {
			wall(-w, edge[k], w, edge[k+1], y, ".80 .66 .42 1")
			continue
		}
		for j := 0; j < 5; j += 2 {
			wall(edge[j], edge[k], edge[j+1], edge[k+1], y, ".80 .66 .42 1")
		}
		for j := 1; j < 5; j += 2 {
			wall(edge[j], edge[k], edge[j+1], edge[k+1], y-HoleFloor, ".45 .35 .2 1")
		}
	}
	p.Geoms = append(p.Geoms, Geom{
		Kind: Box, From: [3]float64{-w, -y, -w}, To: [3]float64{w, y, w}, Contact: Outline,
		Color: "0 0 0 0",
	})
	return p
}

// squareParts is the table top and its four legs, those to be screwed in from the given one on.
func squareParts(first int) []Part {
	parts := []Part{squareTop()}
	for i, x := range []float64{-0.20, -0.12, 0.12, 0.20} {
		parts = append(parts, squareLeg(i+1, x, i+1 >= first))
	}
	return parts
}

// squarePair screws leg i into any of the four holes.
func squarePair(i int) Pair {
	h := HoleXZ
	return Pair{
		First: 0, Second: i, Symmetry: 4, Tip: [3]float64{0, LegTipY, 0}, Thread: &Thread{
			Pitch: 0.008, Seat: LegPeg,
			Friction: 0.01,
		},
		Targets: [][3]float64{{-h, 0.046875, -h}, {-h, 0.046875, h}, {h, 0.046875, -h}, {h, 0.046875, h}},
	}
}

// oneLeg: one leg of the square table.
func oneLeg() *Task {
	return &Task{
		Name: "one_leg", Parts: squareParts(4), Pairs: []Pair{squarePair(4)},
		MaxSteps: 700, GripperWidth: 0.065, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}

// squareTable: all four legs.
func squareTable() *Task {
	return &Task{
		Name: "square_table", Parts: squareParts(1), Pairs: []Pair{
			squarePair(1), squarePair(2), squarePair(3),
			squarePair(4),
		},
		MaxSteps: 2800, GripperWidth: 0.065, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}
