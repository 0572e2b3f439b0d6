package geom

import (
	"math"
	"testing"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func golden(t *testing.T, name string, shape ...int) []float32 {
	t.Helper()
	f, err := tensorfile.Read("testdata/geometry.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	x, err := f.Get(name, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func near(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > tol {
			t.Fatalf("%s[%d] = %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestGoldenQuaternionTo6D(t *testing.T) {
	q, want, mat := golden(t, "quat_xyzw", 64, 4), golden(t, "rot6d", 64, 6), golden(t, "matrix", 64, 3, 3)
	got := make([]float32, 6)
	for i := range 64 {
		Rot6DTo(got, QuatAt(q[4*i:]))
		near(t, "rot6d", got, want[6*i:6*i+6], 1e-5)
		m := QuatAt(q[4*i:]).Mat()
		for j := range m {
			if d := math.Abs(m[j] - float64(mat[9*i+j])); d > 1e-5 {
				t.Fatalf("matrix %d[%d] off by %g", i, j, d)
			}
		}
		if a := m.Quat().Angle(QuatAt(q[4*i:])); a > 1e-6 {
			t.Fatalf("matrix %d back to quaternion: off by %g rad", i, a)
		}
	}
}

func TestGoldenNoisy6D(t *testing.T) {
	r6, mat, aa := golden(t, "noisy_rot6d", 64, 6), golden(t, "noisy_matrix", 64, 3, 3),
		golden(t, "noisy_axis_angle", 64, 3)
	for i := range 64 {
		m := Rot6DAt(r6[6*i:]).Mat()
		for j := range m {
			if d := math.Abs(m[j] - float64(mat[9*i+j])); d > 1e-5 {
				t.Fatalf("matrix %d[%d] off by %g", i, j, d)
			}
		}
		// the reference is float32 and loses digits near half turns
		if a := RotVec(VecAt(aa[3*i:])).Angle(m.Quat()); a > 1e-4 {
			t.Fatalf("axis-angle %d off by %g rad", i, a)
		}
	}
}

func TestGoldenRobotState(t *testing.T) {
	in, want := golden(t, "robot_state_14", 64, 14), golden(t, "robot_state_16", 64, 16)
	got := make([]float32, 16)
	for i := range 64 {
		State16To(got, in[14*i:14*i+14])
		near(t, "state16", got, want[16*i:16*i+16], 1e-5)
	}
}

func TestQuaternionAlgebra(t *testing.T) {
	r := seed.Stream(1, "geom", 0)
	vec := func() Vec3 { return Vec3{r.NormFloat64(), r.NormFloat64(), r.NormFloat64()} }
	for range 200 {
		p, q, v := RotVec(vec()), RotVec(vec()), vec()
		if d := p.Mul(q).Rotate(v).Sub(p.Rotate(q.Rotate(v))).Norm(); d > 1e-12 {
			t.Fatalf("(pq)v and p(qv) differ by %g", d)
		}
		if d := p.Mat().Mul(q.Mat()).MulVec(v).Sub(p.Mul(q).Rotate(v)).Norm(); d > 1e-12 {
			t.Fatalf("matrix and quaternion product differ by %g", d)
		}
		if d := p.Inv().Rotate(p.Rotate(v)).Sub(v).Norm(); d > 1e-12 {
			t.Fatalf("inverse is off by %g", d)
		}
		angle := p.Angle(q)
		if a := p.Angle(p.Slerp(q, 0.25)); math.Abs(a-angle/4) > 1e-7 {
			t.Fatalf("slerp went %g of %g rad at t = 0.25", a, angle)
		}
		if a := p.Rot6D().Quat().Angle(p); a > 1e-7 {
			t.Fatalf("6D round trip off by %g rad", a)
		}
		if w := p.Rot6D().Quat()[3]; w < 0 {
			t.Fatalf("w = %g < 0", w)
		}
	}
}

func TestHalfTurns(t *testing.T) {
	for _, axis := range []Vec3{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 0}, {1, -2, 3}} {
		q := AxisAngle(axis, math.Pi)
		if a := q.Mat().Quat().Angle(q); a > 1e-7 {
			t.Errorf("half turn about %v: off by %g rad", axis, a)
		}
		if n := q.RotVec().Norm(); math.Abs(n-math.Pi) > 1e-9 {
			t.Errorf("half turn about %v has angle %g", axis, n)
		}
	}
}

func TestDegenerate6DIsARotation(t *testing.T) {
	for _, r := range []Rot6D{{}, {1, 0, 0, 2, 0, 0}, {0, 0, 0, 0, 1, 0}, {0, 3, 0, 0, 0, 0}} {
		m := r.Mat()
		p := m.Mul(m.T())
		for i := range p {
			if math.Abs(p[i]-Identity3[i]) > 1e-12 {
				t.Errorf("%v gives %v, not orthogonal", r, m)
				break
			}
		}
		if d := m.Row(0).Cross(m.Row(1)).Dot(m.Row(2)); math.Abs(d-1) > 1e-12 {
			t.Errorf("%v: determinant %g", r, d)
		}
	}
}

func TestTagFrame(t *testing.T) {
	want := RotZ(math.Pi / 2).Mul(RotY(0)).Mul(RotX(math.Pi))
	got := TagFrame.Q.Mat()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-12 {
			t.Fatalf("rotation %v, want %v", got, want)
		}
	}
	// The tag's z axis points down: a point 2 cm below the tag plane in the
	// tag frame's +z lies below the base plane.
	if p := TagFrame.Apply(Vec3{0.1, 0.2, 0.02}); p.Sub(Vec3{0.5015, 0.1, -0.02}).Norm() > 1e-12 {
		t.Errorf("tag point maps to %v", p)
	}
}

func TestPoseAlgebra(t *testing.T) {
	a := Pose{P: Vec3{1, 2, 3}, Q: RotVec(Vec3{0.3, -0.2, 1})}
	b := Pose{P: Vec3{-1, 0.5, 0}, Q: RotVec(Vec3{1, 2, -0.5})}
	v := Vec3{0.3, 0.4, -2}
	if d := a.Mul(b).Apply(v).Sub(a.Apply(b.Apply(v))).Norm(); d > 1e-12 {
		t.Errorf("composition off by %g", d)
	}
	if d := a.Inv().Mul(a).Apply(v).Sub(v).Norm(); d > 1e-12 {
		t.Errorf("inverse off by %g", d)
	}
	s := make([]float32, 7)
	PoseTo(s, a)
	if got := PoseAt(s); got.P.Sub(a.P).Norm() > 1e-6 || got.Q.Angle(a.Q) > 1e-6 {
		t.Errorf("through float32: %v, want %v", got, a)
	}
}
