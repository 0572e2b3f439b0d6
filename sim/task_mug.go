package sim

import (
	"math"

	"korr/internal/geom"
)

// Mug and rack geometry (m), after measurements of the published scans; y points up, the rack's peg along its x, the
// mug's handle along its x. Origins are at the centre of the foot.
const (
	mugRadius   = 0.0437 // of its rim, across flats
	mugHeight   = 0.1308
	mugWall     = 0.005
	mugFloor    = 0.006
	handleReach = 0.0717 // of its outer face from the mug's axis
	handleBar   = 0.008  // thickness of its bars
	handleHalf  = 0.006  // half their width
	handleLow   = 0.052  // where its opening begins
	handleHigh  = 0.082  // and ends
	rackFoot    = 0.083  // radius of the rack's foot
	rackThick   = 0.035  // of the foot
	rackPost    = 0.015  // radius of the post
	rackHeight  = 0.3345
	hookRadius  = 0.0048 // of the peg
	hookRoot    = 0.2163 // height of the peg's axis where it leaves the post
	hookLength  = 0.0643
	hookRise    = 25.611 * math.Pi / 180 // rad, elevation
)

// mugRackRack: a foot, a post and one peg.
func mugRackRack() Part {
	const wood = ".80 .66 .42 1"
	p := Part{
		Name: "rack", Size: [3]float64{2 * rackFoot, rackHeight, 2 * rackFoot}, Mass: 0.90,
		Position: [3]float64{-0.175, 0.0985, 0}, RPY: [3]float64{-math.Pi / 2, 0, math.Pi / 2}, ForceMul: 50, TorqueMul: 150,
	}
	post := Geom{
		Kind: Capsule, From: [3]float64{0, rackThick, 0}, To: [3]float64{0, rackHeight - rackPost, 0}, Radius: rackPost,
		Color: wood,
	}
	peg := Geom{Kind: Capsule, From: hookAt(0), To: hookAt(hookLength - hookRadius), Radius: hookRadius, Color: wood}
	p.distribute([]Geom{
		{Kind: Cylinder, From: [3]float64{}, To: [3]float64{0, rackThick, 0}, Radius: rackFoot},
		{Kind: Cylinder, From: post.From, To: [3]float64{0, rackHeight, 0}, Radius: rackPost},
	})
	p.Geoms = []Geom{post, peg}
	for _, foot := range cross(1, 0, rackThick, rackFoot, rackFoot*math.Tan(math.Pi/8)) {
		p.Geoms = append(p.Geoms, foot)
		foot.Contact, foot.Color = Wall, wood
		p.Geoms = append(p.Geoms, foot)
	}
	return p
}

// hookAt is the point on the peg's axis so far (m) from its root, rack frame.
func hookAt(d float64) [3]float64 {
	y, x := math.Sincos(hookRise)
	return [3]float64{rackPost + d*x, hookRoot + d*y, 0}
}

// mugRackMug: eight walls, a floor and a handle of three bars.
func mugRackMug() Part {
	const glaze = ".86 .89 .93 1"
	p := Part{
		Name: "mug", Size: [3]float64{mugRadius + handleReach, mugHeight, 2 * mugRadius}, Mass: 0.20,
		Position: [3]float64{0.175, 0.0985, 0}, RPY: [3]float64{-math.Pi / 2, 0, math.Pi}, ForceMul: 20, TorqueMul: 30,
	}
	side := mugRadius * math.Tan(math.Pi/8)
	for k := range 8 {
		p.Geoms = append(p.Geoms, Geom{
			Kind: Box, From: [3]float64{mugRadius - mugWall, 0, -side}, To: [3]float64{mugRadius, mugHeight, side},
			Turn: float64(k) * math.Pi / 4, Contact: Hollow, Color: glaze,
		})
	}
	inner := mugRadius - mugWall
	for _, floor := range cross(1, 0, mugFloor, inner, inner*math.Tan(math.Pi/8)) {
		floor.Contact, floor.Color = Hollow, glaze
		p.Geoms = append(p.Geoms, floor)
	}
	bar := func(x0, y0, x1, y1 float64) {
		p.Geoms = append(p.Geoms, Geom{
			Kind: Box, From: [3]float64{x0, y0, -handleHalf}, To: [3]float64{x1, y1, handleHalf}, Contact: Hollow, Color: glaze,
		})
	}
	bar(inner, handleHigh, handleReach, handleHigh+handleBar)
	bar(inner, handleLow-handleBar, handleReach, handleLow)
	bar(handleReach-handleBar, handleLow, handleReach, handleHigh)
	p.distribute(p.Geoms)
	p.Geoms = append(p.Geoms, cross(1, 0, mugHeight, mugRadius, side)...)
	p.Geoms = append(p.Geoms, Geom{
		Kind: Box, From: [3]float64{inner, handleLow - handleBar, -handleHalf},
		To: [3]float64{handleReach, handleHigh + handleBar, handleHalf}, Contact: Outline, Color: "0 0 0 0",
	})
	return p
}

// mugRack: the mug's handle over the rack's peg. The target is the middle of where a mug comes to rest that is let go
// with its handle on the peg: the handle leans on the peg, the mug's side on the post.
func mugRack() *Task {
	tip := hookAt(hookLength)
	return &Task{
		Name: "mug_rack", Parts: []Part{mugRackRack(), mugRackMug()}, Before: true,
		Pairs: []Pair{{
			First: 0, Second: 1, MaleFirst: true, Targets: [][3]float64{{0.0685, 0.1497, 0.0488}},
			Rotation: geom.Quat{-0.2553, -0.6846, 0.5017, 0.4630}.Normalize(),
			Tip:      tip, Axis: [3]float64{-math.Cos(hookRise), -math.Sin(hookRise), 0},
		}},
		MaxSteps: 400, GripperWidth: 0.070, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}
