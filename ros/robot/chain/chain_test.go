package chain_test

import (
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/ros/panda"
	"korr/ros/robot/chain"
)

func pandaDH() *chain.Spec {
	quarter := math.Pi / 2
	s := &chain.Spec{Tool: chain.Offset{XYZ: [3]float64{0, 0, 0.2104}, RPY: [3]float64{0, 0, -math.Pi / 4}}}
	for i, r := range [][3]float64{
		{0, 0, 0.333},
		{0, -quarter, 0},
		{0, quarter, 0.316},
		{0.0825, quarter, 0},
		{-0.0825, -quarter, 0.384},
		{0, quarter, 0},
		{0.088, quarter, 0},
	} {
		s.DH = append(s.DH, chain.DH{A: r[0], Alpha: r[1], D: r[2]})
		j := chain.JointSpec{Name: "j" + string(rune('1'+i)), Min: -2.8, Max: 2.8, MaxVelocity: 1}
		if i == 3 {
			j.Min, j.Max = -3.07, -0.07
		}
		if i == 5 {
			j.Min, j.Max = -0.01, 3.75
		}
		s.Joints = append(s.Joints, j)
	}
	return s
}

func build(t *testing.T, s *chain.Spec) *chain.Chain {
	t.Helper()
	c, err := s.Chain(".")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// within are random joints inside the limits, away from them by the margin.
func within(rng *rand.Rand, c *chain.Chain, margin float64) []float64 {
	q := make([]float64, len(c.Joints))
	for i, j := range c.Joints {
		q[i] = j.Min + margin + (j.Max-j.Min-2*margin)*rng.Float64()
	}
	return q
}

// TestDescriptionsAgree: DH and URDF of a Panda give the pose, Jacobian and twist that package panda has.
func TestDescriptionsAgree(t *testing.T) {
	urdf, err := os.ReadFile("testdata/panda.urdf")
	if err != nil {
		t.Fatal(err)
	}
	fromURDF, err := chain.ParseURDF(urdf, "panda_link0", "panda_hand_tcp")
	if err != nil {
		t.Fatal(err)
	}
	spec := &chain.Spec{URDF: "panda.urdf", Base: "panda_link0", Tip: "panda_hand_tcp"}
	if c, err := spec.Chain("testdata"); err != nil || len(c.Joints) != 7 || c.Joints[3].Max != -0.0698 ||
		c.Joints[4].MaxVelocity != 2.61 {
		t.Fatalf("%+v %v", c, err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for name, c := range map[string]*chain.Chain{"dh": build(t, pandaDH()), "urdf": fromURDF} {
		for range 100 {
			q, dq := within(rng, c, 0), within(rng, c, 0)
			p, r := panda.Forward((*[7]float64)(q))
			at := c.Forward(q)
			if d := at.P.Sub(p).Norm() + at.Q.Angle(r.Quat()); d > 1e-7 {
				t.Fatalf("%s: pose off by %g", name, d)
			}
			want := panda.Twist((*[7]float64)(q), (*[7]float64)(dq))
			for k, v := range c.Twist(q, dq) {
				if math.Abs(v-want[k]) > 1e-9 {
					t.Fatalf("%s: twist %v, want %v", name, c.Twist(q, dq), want)
				}
			}
		}
	}
}

// TestStandardAndPrismatic: the two conventions and a sliding joint, against poses worked out by hand.
func TestStandardAndPrismatic(t *testing.T) {
	s := &chain.Spec{
		Convention: "standard", DH: []chain.DH{{A: 1}, {A: 0.5}},
		Joints: []chain.JointSpec{{Name: "a", Min: -3, Max: 3, MaxVelocity: 1}, {Name: "b", Min: -3, Max: 3, MaxVelocity: 1}},
	}
	if p := build(t, s).Forward([]float64{math.Pi / 2, -math.Pi / 2}).P; p.Sub(geom.Vec3{0.5, 1, 0}).Norm() > 1e-12 {
		t.Errorf("standard: %v", p)
	}
	s.Convention = "modified"
	if p := build(t, s).Forward([]float64{math.Pi / 2, 1}).P; p.Sub(geom.Vec3{1, 0.5, 0}).Norm() > 1e-12 {
		t.Errorf("modified: %v", p)
	}
	text := `<robot><joint name="slide" type="prismatic"><parent link="b"/><child link="l"/><axis xyz="0 2 0"/><limit lower="0" upper="1" velocity="0.5"/></joint>
	<joint name="turn" type="continuous"><origin xyz="1 0 0" rpy="0 0 1.5707963267948966"/><parent link="l"/><child link="t"/><axis xyz="0 0 1"/><limit velocity="1"/></joint></robot>`
	c, err := chain.ParseURDF([]byte(text), "b", "t")
	if err != nil {
		t.Fatal(err)
	}
	at := c.Forward([]float64{0.25, math.Pi / 2})
	if at.P.Sub(geom.Vec3{1, 0.25, 0}).Norm() > 1e-12 || at.Q.Angle(geom.AxisAngle(geom.Vec3{0, 0, 1}, math.Pi)) > 1e-7 {
		t.Errorf("%+v", at)
	}
	if v := c.Twist([]float64{0, 0}, []float64{2, 3}); v != [6]float64{0, 2, 0, 0, 0, 3} {
		t.Errorf("twist %v", v)
	}
}

// TestSolve: targets a step away are reached, ones out of reach are approached, limits are kept, also from outside.
func TestSolve(t *testing.T) {
	c := build(t, pandaDH())
	rng := rand.New(rand.NewPCG(3, 4))
	missed := 0
	for range 300 {
		q := within(rng, c, 0.3)
		goal := append([]float64(nil), q...)
		for i := range goal {
			goal[i] += 0.1 * rng.NormFloat64()
			goal[i] = min(max(goal[i], c.Joints[i].Min), c.Joints[i].Max)
		}
		target := c.Forward(goal)
		got, d, a := c.Solve(target, q)
		at := c.Forward(got)
		if real := at.P.Sub(target.P).Norm(); math.Abs(real-d) > 1e-9 {
			t.Fatalf("says %g m, is %g m away", d, real)
		}
		if d > 1e-3 || a > 1e-2 {
			missed++
		}
		for i, j := range c.Joints {
			if got[i] < j.Min || got[i] > j.Max {
				t.Fatalf("joint %d at %g", i, got[i])
			}
		}
	}
	if missed > 6 {
		t.Errorf("%d of 300 targets missed", missed)
	}
	far := geom.Pose{P: geom.Vec3{3, 0, 0.5}, Q: geom.IdentityQuat}
	got, d, _ := c.Solve(far, panda.Home[:])
	if p := c.Forward(got).P; d < 2 || p[0] < 0.6 {
		t.Errorf("out of reach: %g m away at %v", d, p)
	}
}

// TestToward: the fastest joint sets the pace; a joint outside its limits only comes back.
func TestToward(t *testing.T) {
	c := build(t, pandaDH())
	q := append([]float64(nil), panda.Home[:]...)
	goal := append([]float64(nil), q...)
	goal[0] += 0.5
	goal[1] -= 0.1
	got := c.Toward(q, goal, 0.1)
	if math.Abs(got[0]-q[0]-0.1) > 1e-12 || math.Abs(got[1]-q[1]+0.02) > 1e-12 || got[2] != q[2] {
		t.Errorf("from %v to %v", q, got)
	}
	q[0] = 3
	goal[0] = 5
	if got := c.Toward(q, goal, 10); got[0] != 3 {
		t.Errorf("went out to %g", got[0])
	}
	goal[0] = 2
	if got := c.Toward(q, goal, 0.1); math.Abs(got[0]-2.9) > 1e-12 {
		t.Errorf("came back to %g", got[0])
	}
}

// TestBadDescriptions: each is refused with words that name the fault.
func TestBadDescriptions(t *testing.T) {
	for want, edit := range map[string]func(*chain.Spec){
		"either dh or urdf": func(s *chain.Spec) { s.DH = nil },
		"6 rows of dh":      func(s *chain.Spec) { s.DH = s.DH[1:] },
		"convention":        func(s *chain.Spec) { s.Convention = "craig" },
		"min < max":         func(s *chain.Spec) { s.Joints[2].Min = 4 },
		"max_velocity":      func(s *chain.Spec) { s.Joints[2].MaxVelocity = -1 },
		"no name":           func(s *chain.Spec) { s.Joints[0].Name = "" },
		"base and tip":      func(s *chain.Spec) { s.DH, s.URDF = nil, "panda.urdf" },
		"no such file":      func(s *chain.Spec) { s.DH, s.URDF, s.Base, s.Tip = nil, "none.urdf", "a", "b" },
		"j1 is listed": func(s *chain.Spec) {
			s.DH, s.URDF, s.Base, s.Tip = nil, "panda.urdf", "panda_link0", "panda_hand"
		},
	} {
		s := pandaDH()
		edit(s)
		if _, err := s.Chain("testdata"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for _, text := range []string{
		"", "<robot>", "<robot/>",
		`<robot><joint name="j" type="revolute"><parent link="b"/><child link="t"/></joint></robot>`,
		`<robot><joint name="j" type="floating"><parent link="b"/><child link="t"/></joint></robot>`,
		`<robot><joint name="j" type="fixed"><origin xyz="1 2"/><parent link="b"/><child link="t"/></joint></robot>`,
		`<robot><joint name="j" type="fixed"><parent link="t"/><child link="t"/></joint></robot>`,
		`<robot><joint name="j" type="fixed"><parent link="b"/><child link="t"/></joint><joint name="k" type="fixed"><parent link="c"/><child link="t"/></joint></robot>`,
	} {
		if _, err := chain.ParseURDF([]byte(text), "b", "t"); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
}

// FuzzParseURDF: nothing crashes or hangs; what is accepted has a finite pose.
func FuzzParseURDF(f *testing.F) {
	data, err := os.ReadFile("testdata/panda.urdf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(_ *testing.T, data []byte) {
		if c, err := chain.ParseURDF(data, "panda_link0", "panda_hand_tcp"); err == nil && c.Validate() == nil {
			c.Forward(make([]float64, len(c.Joints)))
		}
	})
}
