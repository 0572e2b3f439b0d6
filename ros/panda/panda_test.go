package panda

import (
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
)

// TestRecordedArm compares with a state that a real Panda published (franka_ros, 2023): joints and O_T_EE of one
// message. The arm's own model is calibrated, so agreement is within a millimetre.
func TestRecordedArm(t *testing.T) {
	q := [Joints]float64{0.05619502, -0.78893143, -0.20456323, -2.15522732, -0.15764751, 1.3448016, 0.62206251}
	wantP := geom.Vec3{0.2713275, -0.09218577, 0.55306261}
	wantR := geom.Mat3{
		0.99840782, 0.04400161, -0.03502069,
		0.04381944, -0.9990121, -0.00595293,
		-0.03524803, 0.00440886, -0.99936886,
	}
	p, r := Forward(&q)
	if d := p.Sub(wantP).Norm(); d > 1e-4 {
		t.Errorf("position %v, the arm says %v: %g m apart", p, wantP, d)
	}
	for i := range r {
		if math.Abs(r[i]-wantR[i]) > 1e-4 {
			t.Errorf("rotation[%d] = %g, the arm says %g", i, r[i], wantR[i])
		}
	}
}

// TestHome: the tool points down over the table in the reset pose.
func TestHome(t *testing.T) {
	p, r := Forward(&Home)
	if p[0] < 0.45 || p[0] > 0.65 || math.Abs(p[1]) > 0.1 || p[2] < 0.05 || p[2] > 0.3 || r[8] > -0.95 {
		t.Errorf("home is at %v, tool axis %v", p, r.Col(2))
	}
}

// TestJacobian compares with finite differences of Forward.
func TestJacobian(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var q [Joints]float64
		for i := range q {
			q[i] = Home[i] + rng.NormFloat64()
		}
		j := Jacobian(&q)
		for i := range q {
			const h = 1e-6
			plus, minus := q, q
			plus[i] += h
			minus[i] -= h
			p1, r1 := Forward(&plus)
			p0, r0 := Forward(&minus)
			v := p1.Sub(p0).Scale(1 / (2 * h))
			w := r1.Mul(r0.T()).Quat().RotVec().Scale(1 / (2 * h))
			for k := range 3 {
				if math.Abs(j[k][i]-v[k]) > 1e-8 || math.Abs(j[3+k][i]-w[k]) > 1e-8 {
					t.Fatalf("joint %d row %d: %g and %g, differences %g and %g", i, k, j[k][i], j[3+k][i], v[k], w[k])
				}
			}
		}
	}
}

func TestTwist(t *testing.T) {
	dq := [Joints]float64{1} // joint 1 turns the arm about the base's z axis
	p, _ := Forward(&Home)
	got := Twist(&Home, &dq)
	want := [6]float64{-p[1], p[0], 0, 0, 0, 1}
	for i := range got {
		if math.Abs(got[i]-want[i]) > 1e-15 {
			t.Errorf("twist %v, want %v", got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Twist(&Home, &dq) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
