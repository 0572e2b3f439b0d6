package residual

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/koopman/filter"
)

// fittedScene is a filter of six parts, the last two a plate with a hole and a leg; the learned model knows nothing
// more.
func fittedScene() *filter.Fitted {
	const parts, modes = 6, 7
	s := filter.Scene{Parts: make([]filter.Part, parts)}
	for i := range s.Parts {
		s.Parts[i] = filter.Part{Lo: geom.Vec3{-.015, -.056, -.015}, Hi: geom.Vec3{.015, .031, .015}}
	}
	s.Parts[4] = filter.Part{Lo: geom.Vec3{-.08, -.015, -.08}, Hi: geom.Vec3{.08, .015, .08}}
	s.Joints = []filter.Joint{{
		Male: 5, Receiver: 4, Tip: geom.Vec3{0, -.056, 0},
		Holes: []filter.Hole{{P: geom.Vec3{.05, .015, .05}, Q: geom.IdentityQuat}},
	}}
	f := &filter.Fitted{
		Scene: s, W: make([][][]float64, parts), Kinematic: make([][]filter.Cov, parts),
		Learned: make([][]filter.Cov, parts),
	}
	for i := range parts {
		f.W[i] = make([][]float64, modes)
		for m := range modes {
			f.W[i][m] = make([]float64, 6*filter.Lifted)
			f.Kinematic[i] = append(f.Kinematic[i], filter.Diagonal(2e-5, 2e-4))
			f.Learned[i] = append(f.Learned[i], filter.Diagonal(2e-5, 2e-4))
		}
	}
	return f
}

// carrying is the raw observation of step k, in which the hand carries the last part in a curve, and the command.
func carrying(k int) (obs, cmd []float32) {
	t := float64(k)
	hand := geom.Pose{
		P: geom.Vec3{.5 + .1*math.Sin(t/10), .2, .2 + .1*math.Cos(t/10)},
		Q: geom.RotVec(geom.Vec3{0, .05 * t, 0}),
	}
	obs, cmd = make([]float32, layout.Observation(6)), make([]float32, 10)
	layout.ToolTo(obs, hand)
	obs[layout.Width] = .03
	for i := range 6 {
		x := geom.Pose{P: geom.Vec3{.4, .1 * float64(i), 0}, Q: geom.IdentityQuat}
		if i == 5 {
			x = hand.Mul(geom.Pose{P: geom.Vec3{.002, .01, 0}, Q: geom.RotVec(geom.Vec3{.1, .2, .3})})
		}
		geom.PoseTo(obs[layout.Part(i).From:], fromBase.Mul(x))
	}
	layout.ToolTo(cmd, hand)
	cmd[layout.Gripper] = 1
	return obs, cmd
}

// late replaces the parts of obs by those of d steps before and adds noise.
func late(obs []float32, k, d int, rng *rand.Rand) []float32 {
	old, _ := carrying(max(0, k-d))
	for i := range 6 {
		x := geom.PoseAt(old[layout.Part(i).From:])
		for j := range x.P {
			x.P[j] += .001 * rng.NormFloat64()
		}
		x.Q = x.Q.Mul(geom.RotVec(geom.Vec3{.01 * rng.NormFloat64(), .01 * rng.NormFloat64(), .01 * rng.NormFloat64()}))
		geom.PoseTo(obs[layout.Part(i).From:], x)
	}
	return obs
}

// TestEstimatorShowsThePresent: of poses that are four steps late and a millimetre off, of a part that is carried 1
// cm a step, an estimator shows what is so now; the base and the residual read raw observations as before.
func TestEstimatorShowsThePresent(t *testing.T) {
	const steps, delay = 80, 4
	at := When{1, []float64{0, delay, delay, delay, delay, delay, delay}}
	for kind, limit := range map[Estimation]float64{Aligned: 4e-3, Kinematic: 1e-3, Koopman: 1e-3} {
		e, err := NewPoseEstimator(kind, fittedScene(), layout.Observation(6), filter.Noise{})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		var worst float64
		var before []float32
		dst := make([]float32, layout.Observation(6))
		for k := range steps {
			truth, cmd := carrying(k)
			obs, _ := carrying(k)
			if err := e.EstimateTo(dst, late(obs, k, delay, rng), at, before); err != nil {
				t.Fatal(err)
			}
			before = cmd
			for i := range layout.State {
				if dst[i] != truth[i] {
					t.Fatalf("%s: step %d: the arm's state is not the measured one", kind, k)
				}
			}
			if k > 40 {
				worst = max(worst, PartOf(dst, 5).P.Sub(PartOf(truth, 5).P).Norm())
			}
		}
		if worst > limit {
			t.Errorf("%s: off by %g m at most, want below %g", kind, worst, limit)
		}
	}
}

func TestEstimatorRefuses(t *testing.T) {
	if e, err := testPolicy(t, MethodBase, true, false).NewEstimator(); e != nil || err != nil {
		t.Errorf("no estimation is %v, %v", e, err)
	}
	for _, c := range []struct {
		kind Estimation
		f    *filter.Fitted
		raw  int
	}{{Kinematic, nil, 58}, {Kinematic, fittedScene(), 51}, {"guessed", fittedScene(), 58}} {
		if _, err := NewPoseEstimator(c.kind, c.f, c.raw, filter.Noise{}); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	p := testPolicy(t, MethodBase, true, false)
	p.Estimation = Kinematic
	if err := p.Validate(); !errors.Is(err, ErrPolicy) {
		t.Errorf("a policy with an estimation and no filter: %v", err)
	}
}

// filteredTick is a whole tick behind a filter with parts that are four steps late.
func filteredTick(tb testing.TB, kind Estimation) func() {
	p := testPolicy(tb, MethodResiP, true, false)
	p.Estimation, p.Filter = kind, fittedScene()
	c := must(p.NewController(testFeatures{}))
	c.Reset(1)
	rng := rand.New(rand.NewPCG(1, 1))
	const steps = 64
	var seen, cmds [steps][]float32
	for k := range steps {
		obs, cmd := carrying(k)
		seen[k], cmds[k] = late(obs, k, 4, rng), cmd
	}
	ages, act, k := []float32{0, 4, 4, 4, 4, 4, 4}, make([]float32, 10), 0
	return func() {
		c.ReadAges(ages)
		if _, err := c.StepTo(act, seen[k]); err != nil {
			tb.Fatal(err)
		}
		c.Executed(cmds[k])
		if k++; k == steps {
			k = 0
		}
	}
}

func TestFilteredTickAllocatesNothing(t *testing.T) {
	for _, kind := range []Estimation{Aligned, Kinematic, Koopman} {
		f := filteredTick(t, kind)
		for range 10 {
			f()
		}
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %g allocations a tick", kind, n)
		}
	}
}

func BenchmarkFilteredTick(b *testing.B) {
	for _, kind := range []Estimation{Aligned, Kinematic, Koopman} {
		b.Run(string(kind), func(b *testing.B) {
			f := filteredTick(b, kind)
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
}

// TestFilterTravels: a checkpoint holds what its residual was trained behind, so that one file acts.
func TestFilterTravels(t *testing.T) {
	p := testPolicy(t, MethodResiP, true, true)
	p.Estimation, p.Filter = Kinematic, fittedScene()
	q := reload(t, p)
	r := reload(t, q)
	if q.Estimation != Kinematic || !reflect.DeepEqual(r.Filter, q.Filter) || !reflect.DeepEqual(q.Filter.Scene,
		p.Filter.Scene) {
		t.Fatalf("loaded %q with %+v", q.Estimation, q.Filter)
	}
	obs, _ := carrying(50)
	seen := late(obs, 50, 4, rand.New(rand.NewPCG(1, 1)))
	acts := make([][]float32, 2)
	for i, x := range []*Policy{q, r} {
		c := must(x.NewController(testFeatures{}))
		c.Reset(1)
		c.ReadAges([]float32{0, 4, 4, 4, 4, 4, 4})
		acts[i] = make([]float32, 10)
		if err := c.ActTo(acts[i], seen); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(acts[0], acts[1]) {
		t.Errorf("the loaded policies act as %v and %v", acts[0], acts[1])
	}
}
