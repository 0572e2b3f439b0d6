package plausible

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
)

var partLimits = PartLimits{Radius: 1.2, MaxSpeed: 1.5, MaxTurn: 6}

// lay puts n parts 0.1 m apart.
func lay(n int) []geom.Pose {
	at := make([]geom.Pose, n)
	for i := range at {
		at[i] = geom.Pose{P: geom.Vec3{0.1 * float64(i), 0, 0}, Q: geom.IdentityQuat}
	}
	return at
}

// see shows every part once at time t.
func see(g *Parts, at []geom.Pose, t time.Time) (swapped int) {
	swapped = g.Swapped(func(i int) geom.Pose { return at[i] })
	for i := range at {
		g.See(i, at[i], t, t)
	}
	return swapped
}

// TestLostParts: a pose that is none, or a leap, loses a part, which keeps its place; it is found when it is seen
// steadily.
func TestLostParts(t *testing.T) {
	nan := math.NaN()
	unit := geom.IdentityQuat
	for _, c := range []struct {
		name string
		at   geom.Pose
		why  string
	}{
		{"NaN", geom.Pose{P: geom.Vec3{nan, 0, 0}, Q: unit}, "not finite"},
		{"NaN rotation", geom.Pose{P: geom.Vec3{0.1, 0, 0}, Q: geom.Quat{0, nan, 0, 1}}, "not finite"},
		{"far", geom.Pose{P: geom.Vec3{1e30, 0, 0}, Q: unit}, "workspace"},
		{"farther", geom.Pose{P: geom.Vec3{1e300, 1e300, 0}, Q: unit}, "workspace"},
		{"zero quaternion", geom.Pose{P: geom.Vec3{0.1, 0, 0}}, "norm 0"},
		{"denormal quaternion", geom.Pose{P: geom.Vec3{0.1, 0, 0}, Q: geom.Quat{0, 0, 0, 5e-324}}, "norm"},
		{"quaternion of norm 2", geom.Pose{P: geom.Vec3{0.1, 0, 0}, Q: geom.Quat{0, 0, 0, 2}}, "norm 2"},
		{"huge quaternion", geom.Pose{P: geom.Vec3{0.1, 0, 0}, Q: geom.Quat{1e300, 0, 0, 1}}, "norm"},
		{"a leap", geom.Pose{P: geom.Vec3{0.1, 0.2, 0}, Q: unit}, "leapt"},
		{"a flip", geom.Pose{P: geom.Vec3{0.1, 0, 0}, Q: geom.Quat{1, 0, 0, 0}}, "turned"},
	} {
		g, now := NewParts(3, partLimits), begin
		at := lay(3)
		see(g, at, now)
		before := g.Pose(1)
		at[1] = c.at
		now = now.Add(tick)
		see(g, at, now)
		i, err := g.Lost()
		if i != 1 || !strings.Contains(err.Error(), c.why) || g.Pose(1) != before {
			t.Fatalf("%s: part %d lost because of %v, believed at %v", c.name, i, err, g.Pose(1))
		}
		at[1] = geom.Pose{P: geom.Vec3{0.1, 0.25, 0}, Q: unit}
		for k := range 40 {
			now = now.Add(tick)
			see(g, at, now)
			lost, _ := g.Lost()
			if d := time.Duration(k) * tick; lost < 0 && d < foundAfter-tick || lost >= 0 && d >= foundAfter {
				t.Fatalf("%s: %v after it is seen again, lost part %d", c.name, d, lost)
			}
		}
		if g.Pose(1) != at[1] {
			t.Errorf("%s: found at %v", c.name, g.Pose(1))
		}
	}
}

// TestTwoTrackers: poses of two trackers that take turns never count as seen steadily.
func TestTwoTrackers(t *testing.T) {
	g, now := NewParts(2, partLimits), begin
	one, two := lay(2), lay(2)
	two[1].P[1] = 0.2
	see(g, one, now)
	for k := range 200 {
		now = now.Add(tick)
		if k%2 == 0 {
			see(g, two, now)
		} else {
			see(g, one, now)
		}
		if i, _ := g.Lost(); i != 1 {
			t.Fatalf("after %d messages part %d is lost", k+1, i)
		}
	}
}

// TestSwapped: parts that change places are noticed with noise, with a third part that moves, after messages that held
// nothing, and in a ring; parts that are pushed together are not.
func TestSwapped(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(at []geom.Pose, sigma float64) []geom.Pose {
		out := append([]geom.Pose(nil), at...)
		for i := range out {
			for k := range 3 {
				out[i].P[k] += sigma * rng.NormFloat64()
			}
		}
		return out
	}
	permuted := func(order ...int) []geom.Pose {
		at, out := lay(6), make([]geom.Pose, 6)
		for i := range out {
			out[i] = at[i]
		}
		for i, k := range order {
			out[i] = at[k]
		}
		return out
	}
	third := permuted(1, 0)
	third[4].P[1] = 0.15
	for _, c := range []struct {
		name  string
		at    []geom.Pose
		sigma float64
		swap  bool
	}{
		{"two", permuted(1, 0), 0, true},
		{"two, with noise", permuted(1, 0), 0.006, true},
		{"all", permuted(5, 4, 3, 2, 1, 0), 0.006, true},
		{"a ring", permuted(1, 2, 0), 0.003, true},
		{"two, and a third moves", third, 0.003, true},
		{"noise alone", permuted(), 0.006, false},
	} {
		for round := range 50 {
			g := NewParts(6, partLimits)
			see(g, noise(lay(6), c.sigma), begin)
			if round%2 == 1 { // a lost tag, and the swap after it
				at := lay(6)
				at[0].P[0], at[1].Q = math.NaN(), geom.Quat{}
				see(g, at, begin.Add(tick))
			}
			if got := see(g, noise(c.at, c.sigma), begin.Add(2*tick)); (got >= 0) != c.swap {
				t.Errorf("%s, round %d: part %d", c.name, round, got)
				break
			}
		}
	}
	g := NewParts(2, partLimits)
	pushed := lay(2)
	see(g, pushed, begin)
	pushed[0].P[0], pushed[1].P[0] = 0.09, 0.19 // a row that is pushed along: the first is where the second was
	if got := see(g, pushed, begin.Add(tick)); got >= 0 {
		t.Errorf("part %d of a row that was pushed", got)
	}
}

// FuzzParts: whatever is shown, what is believed is finite, a rotation and in the workspace.
func FuzzParts(f *testing.F) {
	f.Add(0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, int64(20e6))
	f.Add(1e300, 0.0, 0.0, 0.0, 0.0, 0.0, 5e-324, int64(-1))
	f.Fuzz(func(t *testing.T, x, y, z, a, b, c, d float64, stamp int64) {
		g := NewParts(2, partLimits)
		see(g, lay(2), begin)
		at := lay(2)
		at[1] = geom.Pose{P: geom.Vec3{x, y, z}, Q: geom.Quat{a, b, c, d}}
		for k := range 8 { // a second and a half: long enough to be found again
			g.Swapped(func(i int) geom.Pose { return at[i] })
			g.See(1, at[1], begin.Add(time.Duration(stamp)), begin.Add(time.Duration(10*k)*tick))
			p := g.Pose(1)
			if !Finite(p.P[:]) || !(math.Abs(p.Q.Dot(p.Q)-1) < 0.05) || !(p.P.Norm() <= partLimits.Radius) {
				t.Fatalf("believed %v", p)
			}
		}
	})
}
