package collect

import (
	"math/rand/v2"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

// rotationPerMetre is the rotation noise, rad, per metre of position noise.
const rotationPerMetre = 5

// disturb writes act with execution noise of sigma (m) into dst. It draws six
// numbers whatever sigma is.
func disturb(dst, act []float32, sigma float64, rng *rand.Rand) {
	normal := func(s float64) geom.Vec3 {
		return geom.Vec3{s * rng.NormFloat64(), s * rng.NormFloat64(), s * rng.NormFloat64()}
	}
	dp, dr := normal(sigma), normal(rotationPerMetre*sigma)
	copy(dst[:sim.ActDim], act)
	if sigma == 0 {
		return
	}
	geom.VecTo(dst, geom.VecAt(act).Add(dp))
	geom.Rot6DTo(layout.Rotation.Of(dst), geom.RotVec(dr).Mul(geom.Rot6DAt(layout.Rotation.Of(act)).Quat()))
}
