package plausible

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"korr/internal/geom"
)

var (
	limits = ToolLimits{Centre: geom.Vec3{0, 0, 0.333}, Radius: 1.1, MaxSpeed: 2.5, MaxTurn: 8}
	begin  = time.Unix(1_700_000_000, 0)
	down   = geom.Mat3{1, 0, 0, 0, -1, 0, 0, 0, -1}
	centre = geom.Vec3{0.5, 0, 0.2}
)

const tick = 20 * time.Millisecond

// TestTool: each lie is refused after a pose that was believed, and says why; the same pose again is believed.
func TestTool(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	scaled := down
	for i := range scaled {
		scaled[i] *= 1.01
	}
	for _, c := range []struct {
		name string
		p    geom.Vec3
		r    geom.Mat3
		why  string
	}{
		{"zeros", geom.Vec3{}, geom.Mat3{}, "no rotation"},
		{"huge", geom.Vec3{1e300, 0, 0.2}, down, "out of reach"},
		{"huge rotation", centre, geom.Mat3{1e300, 0, 0, 0, 1, 0, 0, 0, 1}, "no rotation"},
		{"five metres", geom.Vec3{5, 0, 0.2}, down, "out of reach"},
		{"under the table", geom.Vec3{0.5, 0, -0.4}, down, "leapt"},
		{"a rotation of zeros", centre, geom.Mat3{}, "no rotation"},
		{"a mirror", centre, geom.Mat3{1, 0, 0, 0, 1, 0, 0, 0, -1}, "mirror"},
		{"scaled", centre, scaled, "no rotation"},
		{"NaN in the third row", centre, geom.Mat3{1, 0, 0, 0, -1, 0, 0, 0, nan}, "not finite"},
		{"infinite", geom.Vec3{0.5, inf, 0.2}, down, "not finite"},
		{"NaN", geom.Vec3{0.5, 0, nan}, down, "not finite"},
		{"a leap", geom.Vec3{0.5, 0.07, 0.2}, down, "leapt"},
		{"a turn", centre, geom.RotZ(0.3).Mul(down), "turned"},
	} {
		g := Tool{Limits: limits}
		if err := g.Accept(centre, down, begin, begin); err != nil {
			t.Fatal(err)
		}
		at := begin.Add(tick)
		err := g.Accept(c.p, c.r, at, at)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Why, c.why) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := g.Accept(centre.Add(geom.Vec3{0.04, 0, 0}), geom.RotZ(0.1).Mul(down), at, at); err != nil {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
}

// TestStampsFromTheFutureExplainNothing: a stamp makes a leap possible for 0.2 s of motion at most; a real pause for
// more.
func TestStampsFromTheFutureExplainNothing(t *testing.T) {
	far := geom.Vec3{0.5, 0.6, 0.2}
	for _, c := range []struct {
		name        string
		stamp, came time.Duration
		to          geom.Vec3
		ok          bool
	}{
		{"from the future", time.Hour, tick, far, false},
		{"from the past", -time.Hour, tick, far, false},
		{"messages that waited", 150 * time.Millisecond, 0, geom.Vec3{0.5, 0.3, 0.2}, true},
		{"half a second later", 500 * time.Millisecond, 500 * time.Millisecond, far, true},
		{"the clock jumped back", -time.Minute, tick, geom.Vec3{0.5, 0.02, 0.2}, true},
	} {
		g := Tool{Limits: limits}
		if err := g.Accept(centre, down, begin, begin); err != nil {
			t.Fatal(err)
		}
		if err := g.Accept(c.to, down, begin.Add(c.stamp), begin.Add(c.came)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestToolForgets: after Forget any reachable pose is the first one.
func TestToolForgets(t *testing.T) {
	g := Tool{Limits: limits}
	if err := g.Accept(centre, down, begin, begin); err != nil {
		t.Fatal(err)
	}
	g.Forget()
	if err := g.Accept(geom.Vec3{-0.5, 0, 0.5}, geom.Identity3, begin, begin); err != nil {
		t.Error(err)
	}
}

func TestJoints(t *testing.T) {
	two := []Joint{{"a", -2.9, 2.9, 1}, {"b", -3.07, -0.07, 1}}
	for _, c := range []struct {
		name  string
		q, dq []float64
		why   string
	}{
		{"huge", []float64{0.5, 1e300}, nil, "outside"},
		{"a wrap by a turn", []float64{0.5 - 2*math.Pi, -1}, nil, "outside"},
		{"out of its limits", []float64{0.5, 0}, nil, "outside"},
		{"NaN", []float64{math.NaN(), -1}, nil, "not finite"},
		{"infinite", []float64{0.5, math.Inf(-1)}, nil, "not finite"},
		{"a leap", []float64{0.6, -1}, nil, "leapt"},
		{"a velocity of NaN", []float64{0.5, -1}, []float64{0, math.NaN()}, "not finite"},
		{"a huge velocity", []float64{0.5, -1}, []float64{1e300, 0}, "its limit"},
		{"good", []float64{0.55, -1.05}, []float64{1, -1}, ""},
	} {
		g := Joints{Limits: two}
		if err := g.Accept([]float64{0.5, -1}, nil, begin, begin); err != nil {
			t.Fatal(err)
		}
		at := begin.Add(tick)
		err := g.Accept(c.q, c.dq, at, at)
		if (err == nil) != (c.why == "") || err != nil && !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzTool: whatever is accepted is finite, a rotation, in reach, and was reached in time.
func FuzzTool(f *testing.F) {
	f.Add(0.5, 0.01, 0.2, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0, int64(20e6), int64(20e6))
	f.Add(1e300, 0.0, 0.2, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, int64(-1), int64(1<<62))
	f.Fuzz(func(t *testing.T, x, y, z, a, b, c, d, e, g, h, i, j float64, stamp, came int64) {
		tool := Tool{Limits: limits}
		if err := tool.Accept(centre, down, begin, begin); err != nil {
			t.Fatal(err)
		}
		p, r := geom.Vec3{x, y, z}, geom.Mat3{a, b, c, d, e, g, h, i, j}
		came = min(max(came, 0), int64(time.Hour)) // the monotonic clock
		if tool.Accept(p, r, begin.Add(time.Duration(stamp)), begin.Add(time.Duration(came))) != nil {
			return
		}
		dt := max(time.Duration(came), 200*time.Millisecond).Seconds()
		if d := p.Sub(centre).Norm(); !(d <= 0.01+2.5*dt) || !(p.Sub(limits.Centre).Norm() <= limits.Radius) {
			t.Fatalf("believed %v after %g s", p, dt)
		}
		q := r.Quat()
		if !Finite(q[:]) || math.Abs(q.Dot(q)-1) > 1e-2 {
			t.Fatalf("believed %v, quaternion %v", r, q)
		}
	})
}
