package shield

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
)

// TestSpeedIsPerSecond: whatever a policy asks for at whatever rate, the command moves no faster than the limits say,
// from the first command on, and changes its velocity no faster; in one second it goes as far at any rate.
func TestSpeedIsPerSecond(t *testing.T) {
	for _, hz := range []float64{5, 10, 30, 100, 1000} {
		l := Default()
		l.Min, l.Max, l.MaxStep, l.MaxTurn = [3]float64{-5, -5, -5}, [3]float64{5, 5, 5}, 5, math.Pi
		s, dt := New(l, 1/hz), 1/hz
		measured, out := at(geom.Vec3{0, 0, 0.2}, down, 0), make([]float32, CommandDim)
		previous, v, w := append([]float32(nil), measured...), geom.Vec3{}, geom.Vec3{}
		for range int(hz) {
			if _, err := s.ApplyTo(out, at(geom.Vec3{4, 0, 0.2}, geom.RotZ(3).Quat().Mul(down), 0), measured); err != nil {
				t.Fatal(err)
			}
			v2 := geom.VecAt(out).Sub(geom.VecAt(previous)).Scale(hz)
			p, q := geom.Rot6DAt(previous[3:]).Quat(), geom.Rot6DAt(out[3:]).Quat()
			w2 := q.Mul(p.Inv()).RotVec().Scale(hz)
			rounding := 1e-5 * hz
			if v2.Norm() > l.MaxSpeed+rounding || v2.Sub(v).Norm() > l.MaxAccel*dt+2*rounding {
				t.Fatalf("%g Hz: %v m/s after %v", hz, v2, v)
			}
			if w2.Norm() > l.MaxTurnRate+rounding || w2.Sub(w).Norm() > l.MaxTurnAccel*dt+4*rounding {
				t.Fatalf("%g Hz: %v rad/s after %v", hz, w2, w)
			}
			v, w = v2, w2
			s.Sent(out, measured)
			copy(previous, out)
		}
		if x := float64(out[0]); x < 0.94 || x > 1.0001 { // the start takes 0.1 s
			t.Errorf("%g Hz: %.4f m in a second", hz, x)
		}
	}
}

// TestShieldKeepsItsLimits: a policy that asks for anything, chained, never moves the command faster than the limits
// allow while the arm follows; it may always stop in the box.
func TestShieldKeepsItsLimits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	l := Default()
	for _, hz := range []float64{10, 100} {
		s := New(l, 1/hz)
		measured, out := at(centre, down, 0), make([]float32, CommandDim)
		for n := range 20_000 {
			cmd := at(geom.Vec3{0.5 + 0.4*rng.NormFloat64(), 0.4 * rng.NormFloat64(), 0.2 + 0.3*rng.NormFloat64()},
				geom.RotVec(geom.Vec3{rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()}).Mul(down), 0)
			if _, err := s.ApplyTo(out, cmd, measured); err != nil {
				t.Fatal(err)
			}
			if d := distance(out, measured); d > l.MaxSpeed/hz+1e-6 || d > l.MaxStep {
				t.Fatalf("%g Hz, command %d: %.4f m", hz, n, d)
			}
			for k := range 3 {
				if v := float64(out[k]); v < l.Min[k] || v > l.Max[k] {
					t.Fatalf("%g Hz, command %d: axis %d at %g", hz, n, k, v)
				}
			}
			s.Sent(out, measured)
			copy(measured, out) // the arm follows
			if rng.IntN(500) == 0 {
				s.Begin()
			}
		}
	}
}

// TestCheckHold: an arm may be held where it is, outside the workspace too, but not far from its last command.
func TestCheckHold(t *testing.T) {
	l := Default()
	s := New(l, 0.1)
	there := func(p geom.Vec3) geom.Pose { return geom.Pose{P: p, Q: down} }
	if err := s.CheckHold(there(geom.Vec3{0.2, 0.9, 0.2})); err != nil {
		t.Errorf("before any command: %v", err)
	}
	s.Sent(at(centre, down, 0), at(centre, down, 0))
	for _, c := range []struct {
		name string
		at   geom.Pose
		ok   bool
	}{
		{"there", there(centre), true},
		{"behind", there(centre.Add(geom.Vec3{0.19, 0, 0})), true},
		{"elsewhere", there(centre.Add(geom.Vec3{0, 0, -0.3})), false},
		{"NaN", there(geom.Vec3{math.NaN(), 0, 0}), false},
		{"huge", there(geom.Vec3{1e300, 0, 0}), false},
		{"turned over", geom.Pose{P: centre, Q: geom.IdentityQuat}, false},
		{"no rotation", geom.Pose{P: centre, Q: geom.Quat{math.NaN(), 0, 0, 1}}, false},
	} {
		if err := s.CheckHold(c.at); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
