package sim

import "math"

// Lamp geometry (m). The base's and the hood's y axes point down when they stand, as in FurnitureBench; the bulb's
// points from its thread to its glass. Origins are the centres of the published sizes: the published pose of the bulb
// then leaves 24.2 mm of its stem in the base, and the hood rests on the bulb's top, which is why it cannot come first.
const (
	lampBaseHalf = 0.0315  // half the height of the base
	bulbHalf     = 0.0605  // half the length of the bulb
	bulbRadius   = 0.030   // of its glass
	bulbSeat     = 0.0242  // depth of the stem when screwed in
	neckHalf     = 0.011   // half the width of the square neck between stem and glass
	hoodHalf     = 0.050   // half the height of the hood, and where its top ends
	hoodTop      = 0.040   // underside of its top: the bulb's end at the published pose
	hoodWall     = 0.004   // thickness of its walls; they end below its top, where open fingers pass
	hoodShoulder = -0.004  // where it becomes narrower
	hoodNeck     = 0.0375  // half its width above
	hoodKnob     = 0.026   // half the width of its square top, the part to grasp
	bulbLean     = 0.19915 // rad, slope of the lying bulb's axis: asin((glass - stem radius) / their distance)
)

// lampBase: a block with a threaded socket in its upper face.
func lampBase() Part {
	h := 0.0847 / 2
	p := Part{
		Name: "base", Size: [3]float64{0.0847, 0.063, 0.0847}, Mass: 0.0597,
		Position: [3]float64{0.05, 0.14, -lampBaseHalf}, RPY: [3]float64{math.Pi / 2, 0, 0}, ForceMul: 8, TorqueMul: 16,
		PushTorque: 0.3,
	}
	p.Inertia = boxInertia(p.Mass, p.Size)
	p.Geoms = append(frame(1, -lampBaseHalf, -lampBaseHalf+HoleFloor, h, holeHalf, Wall, ".80 .66 .42 1"),
		Geom{
			Kind: Box, From: [3]float64{-h, -lampBaseHalf + HoleFloor, -h}, To: [3]float64{h, lampBaseHalf, h},
			Contact: Wall, Color: ".72 .58 .36 1",
		},
		Geom{
			Kind: Box, From: [3]float64{-h, -lampBaseHalf, -h}, To: [3]float64{h, lampBaseHalf, h}, Contact: Outline,
			Color: "0 0 0 0",
		})
	return p
}

// lampBulb: a threaded stem, a square neck (to grasp) and a round glass; it lies on glass and stem.
func lampBulb() Part {
	centre := bulbHalf - bulbRadius
	stem := -bulbHalf + bulbSeat
	p := Part{
		Name: "bulb", Size: [3]float64{0.060, 0.121, 0.060}, Mass: 0.0385, Rolling: 0.01,
		Position: [3]float64{-0.05, 0.235, -(bulbRadius - centre*math.Sin(bulbLean))}, RPY: [3]float64{
			-bulbLean, 0,
			math.Pi * 10 / 9,
		},
		ForceMul: 15, TorqueMul: 20, PushForce: 0.35, PushTorque: 0.15,
	}
	glass := Geom{Kind: Sphere, From: [3]float64{0, centre, 0}, Radius: bulbRadius, Color: ".96 .93 .78 1"}
	neck := Geom{Kind: Box, From: [3]float64{-neckHalf, stem, -neckHalf}, To: [3]float64{
		neckHalf, centre - 0.02,
		neckHalf,
	}, Color: ".75 .75 .78 1"}
	p.distribute([]Geom{glass, neck, {
		Kind: Cylinder, From: [3]float64{0, stem, 0}, To: [3]float64{0, -bulbHalf, 0},
		Radius: PegRadius,
	}})
	p.Geoms = append([]Geom{glass, neck}, pegGeoms(p.Name, -bulbHalf, stem)...)
	return p
}

// lampHood: a wide and a narrow ring of eight walls and a square knob on top; y points down, so its top is at -y.
func lampHood() Part {
	p := Part{
		Name: "hood", Size: [3]float64{0.088, 0.100, 0.088}, Mass: 0.060,
		Position: [3]float64{-0.08, 0.13, -hoodHalf}, RPY: [3]float64{math.Pi / 2, 0, 0}, ForceMul: 30, TorqueMul: 60,
		PushForce: 0.27, PushTorque: 0.2,
	}
	outer := p.Size[0] / 2
	p.Geoms = append(octagon(hoodShoulder, hoodHalf, outer), octagon(-hoodTop+0.004, hoodShoulder, hoodNeck)...)
	p.Geoms = append(p.Geoms, Geom{
		Kind: Box, From: [3]float64{-hoodKnob, -hoodHalf, -hoodKnob}, To: [3]float64{hoodKnob, -hoodTop, hoodKnob},
		Contact: Hollow, Color: ".70 .60 .45 1",
	})
	p.distribute(p.Geoms)
	p.Geoms = append(p.Geoms, cross(1, -hoodHalf, hoodHalf, outer, outer*math.Tan(math.Pi/8))...)
	return p
}

// octagon is eight walls of the hood around the y axis, from and to these positions on it, half width outer.
func octagon(from, to, outer float64) []Geom {
	var gs []Geom
	side := outer*math.Tan(math.Pi/8) - 0.001
	for k := range 8 {
		gs = append(gs, Geom{
			Kind: Box, From: [3]float64{outer - hoodWall, from, -side}, To: [3]float64{outer, to, side},
			Turn:    float64(k) * math.Pi / 4,
			Contact: Hollow, Color: ".88 .82 .70 1",
		})
	}
	return gs
}

// lamp: a bulb screwed into its base and a hood over it.
func lamp() *Task {
	return &Task{
		Name: "lamp", Parts: []Part{lampBase(), lampBulb(), lampHood()},
		Pairs: []Pair{
			{
				First: 0, Second: 1, Symmetry: Round, Targets: [][3]float64{{0, -0.0678, 0}}, Rotation: rotation(0, 0, math.Pi),
				Tip: [3]float64{0, -bulbHalf, 0}, Thread: &Thread{Pitch: 0.008, Seat: bulbSeat, Friction: 0.003},
			},
			{
				First: 0, Second: 2, Symmetry: Round, AnyRotation: true, Targets: [][3]float64{{0, -0.088324, 0}},
				Axis: [3]float64{0, -1, 0},
			},
		},
		MaxSteps: 1000, GripperWidth: 0.070, PosTolerance: 0.005, RotTolerance: 0.94,
	}
}
