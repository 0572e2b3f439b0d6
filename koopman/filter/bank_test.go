package filter

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"korr/internal/geom"
)

// resting is the model in which every part stays where it is.
type resting struct{}

func (resting) Modes() int { return 1 }

func (resting) PredictTo(next []geom.Pose, mode []Mode, now []geom.Pose, _ *Step) {
	copy(next, now)
	clear(mode)
}

// carried is a known linear system: every part moves with the hand.
type carried struct{}

func (carried) Modes() int { return 1 }

func (carried) PredictTo(next []geom.Pose, mode []Mode, now []geom.Pose, s *Step) {
	for i, x := range now {
		next[i] = carry(x, s.From.Hand, s.To.Hand)
	}
	clear(mode)
}

// spread is a random covariance of positions (m) and independent rotations (rad).
func spread(rng *rand.Rand, size float64) Cov {
	var a [3][3]float64
	for i := range a {
		for j := range a {
			a[i][j] = size * rng.NormFloat64()
		}
	}
	c := Diagonal(size, size)
	for i := range a {
		for j := range a {
			for k := range a {
				c[i*dim+j] += a[i][k] * a[j][k]
			}
		}
	}
	return c
}

// message is a pose of step stamp that arrives at step due.
type message struct {
	stamp, due int
	pose       geom.Pose
	r          Cov
}

// brute is a Kalman filter over the whole history, written with gonum: every message that is due at step now, in the
// order of its stamp. shift is the known motion of each step.
func brute(now int, shift []geom.Pose, messages []message, q Cov) (pose geom.Pose, cov *mat.Dense) {
	cov = mat.NewDense(dim, dim, nil)
	known := false
	dense := func(c Cov) *mat.Dense { return mat.NewDense(dim, dim, c[:]) }
	for k := range now + 1 {
		if k > 0 && known {
			pose = shift[k].Mul(pose)
			cov.Add(cov, dense(q))
		}
		for _, m := range messages {
			if m.stamp != k || m.due > now {
				continue
			}
			if !known {
				pose, known = m.pose, true
				cov.Copy(dense(m.r))
				continue
			}
			var s, inv, gain, left, kr mat.Dense
			s.Add(cov, dense(m.r))
			if err := inv.Inverse(&s); err != nil {
				panic(err)
			}
			gain.Mul(cov, &inv)
			e := between(pose, m.pose)
			var x mat.VecDense
			x.MulVec(&gain, mat.NewVecDense(dim, e[:]))
			pose = moved(pose, (*[dim]float64)(x.RawVector().Data))
			// Joseph's form
			id := mat.NewDense(dim, dim, nil)
			for i := range dim {
				id.Set(i, i, 1)
			}
			id.Sub(id, &gain)
			left.Mul(id, cov)
			left.Mul(&left, id.T())
			kr.Mul(&gain, dense(m.r))
			kr.Mul(&kr, gain.T())
			cov.Add(&left, &kr)
		}
	}
	return pose, cov
}

// TestAgreesWithBruteForce: with delays, messages out of order, gaps and full covariances the ring gives what a
// filter gives that runs over the whole history again at every step.
func TestAgreesWithBruteForce(t *testing.T) {
	for _, turning := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(1, 2))
		q := spread(rng, 1e-3)
		noise := Noise{Position: 2e-3, Rotation: 1e-2}
		b, err := New(Config{Parts: 1, Q: [][]Cov{{q}}, Noise: noise, Gate: 1e9}, carried{})
		if err != nil {
			t.Fatal(err)
		}
		const steps = 120
		hand, truth := geom.IdentityPose, geom.Pose{P: geom.Vec3{0.1, 0.2, 0.3}, Q: geom.IdentityQuat}
		if turning {
			truth.P = geom.Vec3{}
		}
		var messages []message
		shift := make([]geom.Pose, steps)
		for k := range steps {
			move := geom.Pose{P: geom.Vec3{rng.NormFloat64() / 50, 0.01, 0}, Q: geom.IdentityQuat}
			if turning { // about one axis, where rotation vectors add
				move = geom.Pose{Q: geom.RotVec(geom.Vec3{0, 0, 0.1 * rng.NormFloat64()})}
			}
			shift[k] = move
			hand, truth = move.Mul(hand), move.Mul(truth)
			b.Begin(float64(k), Arm{Hand: hand})
			if rng.Float64() < 0.7 {
				var n [dim]float64
				for i := range n {
					switch {
					case !turning && i < 3:
						n[i] = noise.Position * rng.NormFloat64()
					case turning && i == 5:
						n[i] = noise.Rotation * rng.NormFloat64()
					}
				}
				r := Diagonal(noise.Position, noise.Rotation)
				messages = append(messages, message{stamp: k, due: k + rng.IntN(6), pose: moved(truth, &n), r: r})
			}
			for _, m := range messages {
				if m.due == k && !b.Measure(0, float64(m.stamp), m.pose) {
					t.Fatalf("step %d: the pose of step %d was refused", k, m.stamp)
				}
			}
			b.Update()
			want, cov := brute(k, shift, messages, q)
			got := b.Estimate(0)
			if !got.Known {
				continue
			}
			if d := got.Pose.P.Sub(want.P).Norm(); d > 1e-9 {
				t.Fatalf("step %d: position off by %g m", k, d)
			}
			if a := got.Pose.Q.Angle(want.Q); a > 1e-7 {
				t.Fatalf("step %d: rotation off by %g rad", k, a)
			}
			for i := range dim {
				for j := range dim {
					if d := b.now[0].cov[i*dim+j] - cov.At(i, j); math.Abs(d) > 1e-12 {
						t.Fatalf("step %d: covariance %d,%d off by %g", k, i, j, d)
					}
				}
			}
		}
	}
}

// TestSettlesAtTheSteadyGain: the scalar Riccati equation has a closed solution.
func TestSettlesAtTheSteadyGain(t *testing.T) {
	const q, r = 1e-3, 2e-3
	b, err := New(Config{Parts: 1, Q: [][]Cov{{Diagonal(q, q)}}, Noise: Noise{r, r}}, carried{})
	if err != nil {
		t.Fatal(err)
	}
	for k := range 100 {
		b.Begin(float64(k), Arm{Hand: geom.IdentityPose})
		b.Measure(0, float64(k), geom.IdentityPose)
		b.Update()
	}
	before := (q*q + math.Sqrt(q*q*q*q+4*q*q*r*r)) / 2 // P before the correction: P^2 - Q P - Q R = 0
	want := math.Sqrt(before * r * r / (before + r*r))
	if got := b.Estimate(0).Position; math.Abs(got/want-1) > 1e-9 {
		t.Errorf("standard deviation %g m, want %g", got, want)
	}
}

// still runs a filter over a part at rest with white noise and lets change alter what is seen at a step.
func still(t *testing.T, steps int, change func(k int, seen geom.Pose) (geom.Pose, bool)) []Estimate {
	t.Helper()
	b, err := New(Config{Parts: 1, Q: [][]Cov{{Diagonal(1e-5, 1e-4)}}, Noise: Noise{1e-3, 1e-2}}, resting{})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	out := make([]Estimate, steps)
	for k := range steps {
		var n [dim]float64
		for i := range n {
			n[i] = 1e-3 * rng.NormFloat64()
			if i >= 3 {
				n[i] *= 10
			}
		}
		b.Begin(float64(k), Arm{Hand: geom.IdentityPose})
		if seen, ok := change(k, moved(geom.IdentityPose, &n)); ok {
			b.Measure(0, float64(k), seen)
		}
		b.Update()
		out[k] = b.Estimate(0)
	}
	return out
}

func aside(p geom.Pose) geom.Pose { return geom.Pose{P: p.P.Add(geom.Vec3{0.03, 0, 0}), Q: p.Q} }

// TestOutlierIsNoPush: one pose 3 cm away changes nothing; two in a row are believed at once.
func TestOutlierIsNoPush(t *testing.T) {
	one := still(t, 40, func(k int, seen geom.Pose) (geom.Pose, bool) {
		if k == 30 {
			return aside(seen), true
		}
		return seen, true
	})
	if d := one[31].Pose.P.Norm(); d > 1e-3 {
		t.Errorf("an outlier moved the estimate by %g m", d)
	}
	if one[30].Gated != 1 || one[31].Gated != 0 {
		t.Errorf("gated %d and then %d poses, want 1 and 0", one[30].Gated, one[31].Gated)
	}
	push := still(t, 40, func(k int, seen geom.Pose) (geom.Pose, bool) {
		if k >= 30 {
			return aside(seen), true
		}
		return seen, true
	})
	if d := push[30].Pose.P.Norm(); d > 1e-3 {
		t.Errorf("the first pose after a push moved the estimate by %g m", d)
	}
	if d := push[31].Pose.P.Sub(geom.Vec3{0.03, 0, 0}).Norm(); d > 5e-3 {
		t.Errorf("after two poses the estimate is %g m from where the part was pushed", d)
	}
	if d := push[39].Pose.P.Sub(geom.Vec3{0.03, 0, 0}).Norm(); d > 1.5e-3 {
		t.Errorf("ten poses after a push the estimate is %g m off", d)
	}
	scattered := still(t, 60, func(k int, seen geom.Pose) (geom.Pose, bool) { // every third pose is somewhere else
		if k > 10 && k%3 == 0 {
			seen.P[k%2] += 0.02 * float64(k%7)
		}
		return seen, true
	})
	if d := scattered[59].Pose.P.Norm(); d > 1e-3 {
		t.Errorf("scattered outliers moved the estimate by %g m", d)
	}
}

// TestUncertaintyGrowsWithoutPoses: a lost part is known less and less, and its age is told.
func TestUncertaintyGrowsWithoutPoses(t *testing.T) {
	e := still(t, 100, func(k int, seen geom.Pose) (geom.Pose, bool) { return seen, k < 50 })
	for k := 51; k < 100; k++ {
		if e[k].Position <= e[k-1].Position || e[k].Rotation <= e[k-1].Rotation {
			t.Fatalf("step %d: deviations %g and %g did not grow", k, e[k].Position, e[k].Rotation)
		}
		if e[k].Age != float64(k-49) {
			t.Fatalf("step %d: age %g", k, e[k].Age)
		}
	}
	if e[49].Position > 4e-4 {
		t.Errorf("after 50 poses of 1 mm noise the deviation is %g m", e[49].Position)
	}
}

// TestPosesBetweenSteps: on a part that moves steadily a pose between two steps counts where it was taken.
func TestPosesBetweenSteps(t *testing.T) {
	b, err := New(Config{Parts: 1, Q: [][]Cov{{Diagonal(1e-4, 1e-4)}}, Noise: Noise{1e-3, 1e-2}}, carried{})
	if err != nil {
		t.Fatal(err)
	}
	at := func(s float64) geom.Pose { // a screw motion
		return geom.Pose{P: geom.Vec3{0, 0, 0.02 * s}, Q: geom.RotVec(geom.Vec3{0, 0, 0.3 * s})}
	}
	x := geom.Pose{P: geom.Vec3{0.05, 0, 0}, Q: geom.IdentityQuat}
	for k := range 40 {
		b.Begin(float64(k), Arm{Hand: at(float64(k))})
		if s := float64(k) - 1.4; s >= 0 && !b.Measure(0, s, at(s).Mul(x)) {
			t.Fatalf("step %d: refused", k)
		}
		b.Update()
		want := at(float64(k)).Mul(x)
		// A chord instead of an arc of 0.3 rad at 5 cm is off by 0.56 mm at most.
		if e := b.Estimate(0); k > 2 && e.Pose.P.Sub(want.P).Norm() > 6e-4 {
			t.Fatalf("step %d: off by %g m", k, e.Pose.P.Sub(want.P).Norm())
		}
	}
}

// TestNoiseIsEstimated: from parts at rest, without being told, and within a few per cent after 200 poses.
func TestNoiseIsEstimated(t *testing.T) {
	for _, want := range []Noise{{5e-4, 5e-3}, {2e-3, 2e-2}, {}} {
		k := NewKinematic(Scene{Parts: make([]Part, 2)})
		q := make([]Cov, modes)
		for i := range q {
			q[i] = Diagonal(1e-5, 1e-4)
		}
		b, err := New(Config{Parts: 2, Q: [][]Cov{q, q}}, k)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(5, 6))
		for step := range 200 {
			b.Begin(float64(step), Arm{Hand: geom.Pose{P: geom.Vec3{1, 1, 1}, Q: geom.IdentityQuat}})
			for p := range 2 {
				var n [dim]float64
				for i := range n {
					n[i] = want.Position * rng.NormFloat64()
					if i >= 3 {
						n[i] = want.Rotation * rng.NormFloat64()
					}
				}
				b.Measure(p, float64(step), moved(geom.IdentityPose, &n))
			}
			b.Update()
		}
		got := b.Noise()
		if want == (Noise{}) { // a perfect tracker is never believed to be one, for the covariance must stay positive
			if got.Position > 1e-4 || got.Rotation > 1e-3 {
				t.Errorf("estimated %v of a perfect tracker", got)
			}
			continue
		}
		if math.Abs(got.Position/want.Position-1) > 0.1 || math.Abs(got.Rotation/want.Rotation-1) > 0.1 {
			t.Errorf("estimated %v, want %v", got, want)
		}
	}
}

// TestHostile: whatever comes, every estimate stays finite and every covariance one; what cannot be is refused.
func TestHostile(t *testing.T) {
	const parts = 3
	scene := Scene{
		Parts: []Part{{geom.Vec3{-.1, -.02, -.1}, geom.Vec3{.1, .02, .1}}, {
			geom.Vec3{-.02, -.05, -.02},
			geom.Vec3{.02, .04, .02},
		}, {}},
		Joints: []Joint{{Male: 1, Receiver: 0, Tip: geom.Vec3{0, -.05, 0}, Holes: []Hole{{
			P: geom.Vec3{0, .02, 0},
			Q: geom.IdentityQuat,
		}}}},
	}
	q := make([]Cov, modes)
	for i := range q {
		q[i] = Diagonal(1e-4, 1e-3)
	}
	b, err := New(Config{Parts: parts, Q: [][]Cov{q, q, q}}, NewKinematic(scene))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 8))
	number := func() float64 {
		switch rng.IntN(60) {
		case 0:
			return math.NaN()
		case 1:
			return math.Inf(1)
		case 2:
			return 1e300
		}
		return rng.NormFloat64() / 10
	}
	pose := func() geom.Pose {
		p := geom.Pose{P: geom.Vec3{number(), number(), number()}, Q: geom.RotVec(geom.Vec3{
			rng.NormFloat64(),
			rng.NormFloat64(), 0,
		})}
		if rng.IntN(30) == 0 {
			p.Q = geom.Quat{number(), number(), number(), number()}
		}
		return p
	}
	clock := 0.0
	for step := range 20000 {
		switch rng.IntN(100) {
		case 0:
			clock += 1e6 * rng.NormFloat64()
		case 1:
			clock = number()
		default:
			clock += rng.Float64() * 2
		}
		b.Begin(clock, Arm{Hand: pose(), Width: number()})
		for range 4 {
			b.Measure(rng.IntN(parts), clock-40*rng.Float64()*rng.Float64()+0.1*number(), pose())
		}
		b.Update()
		b.Executed(Command{Target: pose(), Grip: number()})
		for p := range parts {
			e := b.Estimate(p)
			if !finite(e.Pose) || math.IsNaN(e.Position) || math.IsNaN(e.Rotation) {
				t.Fatalf("step %d: part %d is %+v", step, p, e)
			}
			if e.Known && !b.now[p].cov.valid() {
				t.Fatalf("step %d: part %d has the covariance %v", step, p, b.now[p].cov)
			}
		}
	}
}

// TestRefusals: stamps and clocks that cannot be.
func TestRefusals(t *testing.T) {
	b, err := New(Config{Parts: 1, Q: [][]Cov{{Diagonal(1e-3, 1e-3)}}, Noise: Noise{1e-3, 1e-3}}, resting{})
	if err != nil {
		t.Fatal(err)
	}
	if b.Measure(0, 0, geom.IdentityPose) {
		t.Error("a pose before the first step was taken")
	}
	for k := range 100 {
		if !b.Begin(float64(k), Arm{Hand: geom.IdentityPose}) {
			t.Fatalf("step %d did not begin", k)
		}
	}
	for _, c := range []struct {
		t    float64
		want bool
	}{
		{99, true},
		{99, false},
		{100, false},
		{math.NaN(), false},
		{math.Inf(-1), false},
		{99 - ringSize, false},
		{100 - ringSize, true},
	} {
		if got := b.Measure(0, c.t, geom.IdentityPose); got != c.want {
			t.Errorf("a pose of step %g at step 99: taken %t, want %t", c.t, got, c.want)
		}
	}
	b.Update()
	if !b.Estimate(0).Known {
		t.Fatal("nothing known after a pose")
	}
	for _, clock := range []float64{99, 50, 100 + longestGap, math.NaN()} {
		b.Begin(99, Arm{Hand: geom.IdentityPose})
		b.Measure(0, 99, geom.IdentityPose)
		b.Update()
		if b.Begin(clock, Arm{Hand: geom.IdentityPose}) || b.Estimate(0).Known {
			t.Errorf("a clock that went from 99 to %g was believed", clock)
		}
	}
}

func TestAllocatesNothing(t *testing.T) {
	q := make([]Cov, modes)
	for i := range q {
		q[i] = Diagonal(1e-4, 1e-3)
	}
	b, err := New(Config{Parts: 2, Q: [][]Cov{q, q}}, NewKinematic(Scene{Parts: make([]Part, 2)}))
	if err != nil {
		t.Fatal(err)
	}
	k := 0.0
	if n := testing.AllocsPerRun(200, func() {
		b.Begin(k, Arm{Hand: geom.IdentityPose, Width: 0.03})
		for p := range 2 {
			b.Measure(p, k-4, geom.IdentityPose)
		}
		b.Update()
		b.Executed(Command{Target: geom.IdentityPose, Grip: 1})
		k++
	}); n != 0 {
		t.Errorf("%g allocations a step", n)
	}
}
