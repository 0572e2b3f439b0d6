package sim

import (
	"math"
	"testing"

	"korr/internal/seed"
)

// TestPushLaw pins the law of pushes to the published distribution by its moments. Bounds are five standard errors,
// which follow from the distribution itself: var f = 1/12, var f^2 = 1/5 - 1/9 = 4/45, var cos = 1/2, var fx = 1/6.
func TestPushLaw(t *testing.T) {
	const n = 100_000
	rng := seed.Stream(3, "test/push", 0)
	type moment struct{ mean, want, variance float64 }
	var m [10]moment
	for i, w := range [][2]float64{
		{1. / 2, 1. / 12}, // E f: half of the largest force
		{1. / 3, 4. / 45}, // E f^2
		{0, 1. / 2},       // E cos
		{0, 1. / 2},       // E sin
		{0, 1. / 2},       // E cos 2a: no axis is preferred,
		{0, 1. / 2},       // E cos 4a: and no diagonal
		{0, 1. / 6},       // E fx
		{0, 1. / 3},       // E torque: either sign
		{1. / 3, 4. / 45}, // E torque^2
		{1. / 2, 1. / 12}, // E |torque|
	} {
		m[i].want, m[i].variance = w[0], w[1]
	}
	var sector [8]int
	for range n {
		p := DrawPush(rng)
		f, a := math.Hypot(p.Force[0], p.Force[1]), math.Atan2(p.Force[1], p.Force[0])
		if f > 1+1e-12 || math.Abs(p.Torque) > 1 {
			t.Fatalf("push %+v is beyond the level's magnitudes", p)
		}
		for i, x := range []float64{
			f, f * f, math.Cos(a), math.Sin(a), math.Cos(2 * a), math.Cos(4 * a), p.Force[0], p.Torque,
			p.Torque * p.Torque, math.Abs(p.Torque),
		} {
			m[i].mean += x / n
		}
		sector[int((a+math.Pi)/(2*math.Pi)*8)&7]++
	}
	for i, x := range m {
		if math.Abs(x.mean-x.want) > 5*math.Sqrt(x.variance/n) {
			t.Errorf("moment %d is %.5f, published %.5f", i, x.mean, x.want)
		}
	}
	for i, c := range sector {
		if math.Abs(float64(c)-n/8.) > 5*math.Sqrt(n/8.*7/8) {
			t.Errorf("%d of %d directions in sector %d of 8", c, n, i)
		}
	}
}
