package filter

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
)

// table is a plate with a hole and a leg whose tip fits it.
var table = Scene{
	Parts: []Part{
		{geom.Vec3{-.08, -.015, -.08}, geom.Vec3{.08, .015, .08}},
		{geom.Vec3{-.015, -.056, -.015}, geom.Vec3{.015, .031, .015}},
	},
	Joints: []Joint{{Male: 1, Receiver: 0, Tip: geom.Vec3{0, -.056, 0}, Holes: []Hole{{
		P: geom.Vec3{.05, .015, .05},
		Q: geom.IdentityQuat,
	}}}},
}

// at is the leg upright with its tip at a point above the mouth of the hole, of a plate at the origin.
func at(x, y, z float64) geom.Pose {
	return geom.Pose{P: geom.Vec3{.05 + x, .015 + .056 + y, .05 + z}, Q: geom.IdentityQuat}
}

func TestKinematicModes(t *testing.T) {
	plate := geom.IdentityPose
	far := geom.Pose{P: geom.Vec3{0, .5, 0}, Q: geom.IdentityQuat}
	arm := func(p geom.Pose, w float64) Arm { return Arm{Hand: p, Width: w} }
	up := geom.Pose{P: geom.Vec3{0, .001, 0}, Q: geom.IdentityQuat}
	for _, c := range []struct {
		name       string
		leg        geom.Pose
		from, to   Arm
		shut       bool
		leads      [2]Mode // of plate and leg
		legCarried bool
	}{
		{"far", at(.2, 0, 0), arm(far, .06), arm(far, .06), false, [2]Mode{Rest, Rest}, false},
		{
			"over the plate", at(.2, 0, 0), arm(at(-.05, -.05, -.05), .06), arm(at(-.05, -.05, -.05), .06), false,
			[2]Mode{Near, Rest},
			false,
		},
		{"closing", at(.2, .1, 0), arm(at(.2, .1, 0), .06), arm(at(.2, .1, 0), .05), true, [2]Mode{Rest, Closing}, false},
		{"held", at(.2, .1, 0), arm(at(.2, .1, 0), .03), arm(up.Mul(at(.2, .1, 0)), .03), true, [2]Mode{Rest, Held}, true},
		{"shut on nothing", at(.2, .1, 0), arm(at(.2, .1, 0), 0), arm(at(.2, .1, 0), 0), true, [2]Mode{Rest, Near}, false},
		{
			"at the mouth", at(.002, .005, 0), arm(at(0, 0, 0), .03), arm(up.Mul(at(0, 0, 0)), .03), true,
			[2]Mode{Near, HeldJoint},
			true,
		},
		{
			"in the hole, held", at(0, -.01, 0), arm(at(0, 0, 0), .03), arm(up.Mul(at(0, 0, 0)), .03), true,
			[2]Mode{Near, HeldEngaged},
			true,
		},
		{"in the hole", at(0, -.01, 0), arm(far, .06), arm(far, .06), false, [2]Mode{Near, Engaged}, false},
	} {
		now := []geom.Pose{plate, c.leg}
		next, mode := make([]geom.Pose, 2), make([]Mode, 2)
		NewKinematic(table).PredictTo(next, mode, now, &Step{From: c.from, To: c.to, Shut: c.shut, Steps: 1})
		if mode[0] != c.leads[0] || mode[1] != c.leads[1] {
			t.Errorf("%s: modes %v, want %v", c.name, mode, c.leads)
		}
		if moved := next[1].P.Sub(now[1].P).Norm() > 5e-4; moved != c.legCarried {
			t.Errorf("%s: the leg was carried %t, want %t", c.name, moved, c.legCarried)
		}
	}
}

// slipping makes episodes of a leg that is held and slips along its axis by a tenth of the command's lead.
func slipping(rng *rand.Rand, n int) []Episode {
	episodes := make([]Episode, n)
	for i := range episodes {
		e := &episodes[i]
		hand, leg := at(.2, .1, 0), at(.2, .1, 0)
		for range 60 {
			e.Arm = append(e.Arm, Arm{Hand: hand, Width: .03})
			e.Parts = append(e.Parts, []geom.Pose{geom.IdentityPose, leg})
			lead := .02 * rng.Float64()
			move := geom.Pose{P: geom.Vec3{.002 * rng.NormFloat64(), 0, 0}, Q: geom.RotVec(geom.Vec3{
				0, .02 * rng.NormFloat64(),
				0,
			})}
			next := move.Mul(hand)
			target := next
			target.P[1] += lead
			e.Command = append(e.Command, Command{Target: target, Grip: 1})
			leg = carry(leg, hand, next)
			leg.P = leg.P.Add(leg.Q.Rotate(geom.Vec3{0, lead / 10, 0}))
			hand = next
		}
	}
	return episodes
}

// TestFitFindsASlip: what the rule does not know is learned, on held-out episodes, and the learned model's Q says so.
func TestFitFindsASlip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 9))
	f, err := Fit(table, slipping(rng, 20))
	if err != nil {
		t.Fatal(err)
	}
	learned, err := NewLearned(f.Scene, f.W)
	if err != nil {
		t.Fatal(err)
	}
	next, mode := make([]geom.Pose, 2), make([]Mode, 2)
	var worst, rule float64
	for _, e := range slipping(rng, 2) {
		for k := range len(e.Arm) - 1 {
			s := &Step{From: e.Arm[k], To: e.Arm[k+1], Target: e.Command[k].Target, Shut: true, Steps: 1}
			learned.PredictTo(next, mode, e.Parts[k], s)
			if mode[1] == Held {
				worst = max(worst, next[1].P.Sub(e.Parts[k+1][1].P).Norm())
				NewKinematic(table).PredictTo(next, mode, e.Parts[k], s)
				rule = max(rule, next[1].P.Sub(e.Parts[k+1][1].P).Norm())
			}
		}
	}
	if worst > 2e-4 || rule < 1e-3 {
		t.Errorf("the learned model is off by %g m at most, the rule by %g: want below 0.2 mm and above 1 mm", worst, rule)
	}
	if a, b := f.Learned[1][Held].deviation(0), f.Kinematic[1][Held].deviation(0); a > b/5 {
		t.Errorf("errors of %g m with and %g m without the learned part", a, b)
	}
	nonlinear, err := NewNonlinear(f.Scene, f.Nets)
	if err != nil {
		t.Fatal(err)
	}
	var off, ruled float64
	for _, e := range slipping(rng, 2) {
		for k := range len(e.Arm) - 1 {
			s := &Step{From: e.Arm[k], To: e.Arm[k+1], Target: e.Command[k].Target, Shut: true, Steps: 1}
			nonlinear.PredictTo(next, mode, e.Parts[k], s)
			off = max(off, next[1].P.Sub(e.Parts[k+1][1].P).Norm())
			NewKinematic(table).PredictTo(next, mode, e.Parts[k], s)
			ruled = max(ruled, next[1].P.Sub(e.Parts[k+1][1].P).Norm())
		}
	}
	if f.Nets[1][Held] == nil || off > ruled/3 || f.Nonlinear[1][Held].deviation(0) > f.Kinematic[1][Held].deviation(0)/3 {
		t.Errorf("the network is off by %g m at most, the rule by %g", off, ruled)
	}
	if f.W[0][Held] != nil || f.Kinematic[0][Held] != unknownError {
		t.Error("something was fitted to what was never seen")
	}
}

// TestLiftTurnsWithThePart: turned about the vertical together, hand, parts and command have the same coordinates: they
// are the part's own.
func TestLiftTurnsWithThePart(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	near := func(p geom.Pose) geom.Pose {
		var e [dim]float64
		for i := range e {
			e[i] = 0.004 * rng.NormFloat64()
		}
		return moved(p, &e)
	}
	rule := NewKinematic(table)
	lift := func(i int, now []geom.Pose, s *Step) (psi [Lifted]float64) {
		rule.PredictTo(make([]geom.Pose, 2), make([]Mode, 2), now, s)
		var h motion
		h.of(s)
		rule.liftTo(&psi, i, 0, now, &h)
		return psi
	}
	for range 100 {
		now := []geom.Pose{near(geom.IdentityPose), near(at(0, .004, 0))}
		s := Step{
			From: Arm{near(at(0, .01, 0)), .03}, To: Arm{near(at(0, .01, 0)), .031}, Target: near(at(0, 0, 0)),
			Steps: 1,
		}
		turn := geom.Pose{P: geom.Vec3{1, 2, 0}, Q: geom.RotVec(geom.Vec3{0, 0, rng.NormFloat64()})}
		then := []geom.Pose{turn.Mul(now[0]), turn.Mul(now[1])}
		v := s
		v.From.Hand, v.To.Hand, v.Target = turn.Mul(s.From.Hand), turn.Mul(s.To.Hand), turn.Mul(s.Target)
		for i := range 2 {
			a, b := lift(i, now, &s), lift(i, then, &v)
			for k := range a {
				if math.Abs(a[k]-b[k]) > 1e-9 {
					t.Fatalf("part %d: coordinate %d is %g, turned %g", i, k, a[k], b[k])
				}
			}
		}
	}
}

func TestLearnedRefuses(t *testing.T) {
	ok := make([][][]float64, 2)
	for i := range ok {
		ok[i] = make([][]float64, modes)
	}
	if _, err := NewLearned(table, ok); err != nil {
		t.Error(err)
	}
	bad := make([]float64, dim*Lifted)
	bad[3] = math.NaN()
	for _, w := range [][]float64{{1}, bad} {
		ok[1][Held] = w
		if _, err := NewLearned(table, ok); err == nil {
			t.Errorf("a matrix of %d numbers was taken", len(w))
		}
	}
	if _, err := NewLearned(table, nil); err == nil {
		t.Error("no matrices were taken")
	}
}
