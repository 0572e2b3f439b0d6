package sim

import (
	"math"
	"math/rand/v2"
)

// Push is a random push in units of a level's magnitudes, before a part's multipliers.
type Push struct {
	Force  [2]float64 // in the horizontal plane, base frame; at most 1 long
	Torque float64    // about the vertical, -1 to 1
}

// DrawPush draws a push by the published law (robust-rearrangement, arXiv 2407.16677): the force has a direction
// uniform on the circle and a magnitude uniform in 0..1, the torque a magnitude uniform in 0..1 and either sign. The
// initial displacement and the pushes during an episode both follow it. It takes three numbers of the stream.
func DrawPush(rng *rand.Rand) Push {
	y, x := math.Sincos(2 * math.Pi * rng.Float64())
	f := rng.Float64()
	return Push{Force: [2]float64{f * x, f * y}, Torque: 2*rng.Float64() - 1}
}
