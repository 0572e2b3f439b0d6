package action

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"korr/internal/geom"
	"korr/internal/seed"
	"korr/sim"
)

func forms(t testing.TB) []Form {
	var fs []Form
	for _, n := range Names() {
		f, err := ParseForm(n)
		if err != nil || f.String() != n {
			t.Fatalf("%s reads as %s (%v)", n, f, err)
		}
		fs = append(fs, f)
	}
	return fs
}

// turn is a uniformly distributed rotation (Shoemake 1992).
func turn(rng *rand.Rand) geom.Quat {
	u, a, b := rng.Float64(), 2*math.Pi*rng.Float64(), 2*math.Pi*rng.Float64()
	return geom.Quat{
		math.Sqrt(1-u) * math.Sin(a), math.Sqrt(1-u) * math.Cos(a), math.Sqrt(u) * math.Sin(b),
		math.Sqrt(u) * math.Cos(b),
	}
}

// pose writes a random position within 0.5 m and a random rotation 6D.
func pose(dst []float32, rng *rand.Rand) {
	for k := range 3 {
		dst[k] = rng.Float32() - 0.5
	}
	geom.Rot6DTo(dst[3:9], turn(rng))
}

func apart(a, b []float32) (m, rad float64) {
	return geom.VecAt(a).Sub(geom.VecAt(b)).Norm(), geom.Rot6DAt(a[3:9]).Quat().Angle(geom.Rot6DAt(b[3:9]).Quat())
}

// TestRoundTrip: canonical actions survive every form and back, half turns included.
func TestRoundTrip(t *testing.T) {
	rng := seed.Stream(1, "test", 0)
	canonical, back, state := make([]float32, 10), make([]float32, 10), make([]float32, 16)
	for _, f := range forms(t) {
		act := make([]float32, f.Dim())
		for i := range 3000 {
			pose(canonical, rng)
			pose(state, rng)
			switch i % 10 {
			case 0: // a half turn of the tool, where rotation vectors flip
				axis := turn(rng)
				geom.Rot6DTo(canonical[3:9], geom.Rot6DAt(state[3:9]).Quat().Mul(geom.AxisAngle(geom.Vec3{
					axis[0], axis[1],
					axis[2],
				}, math.Pi)))
			case 1: // no motion at all
				copy(canonical, state[:9])
			}
			canonical[9] = 2*rng.Float32() - 1
			f.EncodeTo(act, canonical, state)
			if err := f.Check(act); err != nil {
				t.Fatal(err)
			}
			f.DecodeTo(back, act, state)
			if m, rad := apart(back, canonical); m > 1e-6 || rad > 2e-6 || back[9] != canonical[9] {
				t.Fatalf("%s: came back %g m and %g rad away, gripper %v for %v", f, m, rad, back[9], canonical[9])
			}
			low, high := f.Bounds()
			for k, v := range act {
				if f.Delta && k < 3 {
					continue
				}
				if v < low[k]-1e-6 || v > high[k]+1e-6 {
					t.Fatalf("%s: element %d is %v, outside %v to %v", f, k, v, low[k], high[k])
				}
			}
		}
	}
}

// TestDeltaComposes as published: position added in the base frame, rotation applied in the tool's frame, written out
// here with matrices and by example.
func TestDeltaComposes(t *testing.T) {
	rng := seed.Stream(2, "test", 0)
	state, dst, step := make([]float32, 16), make([]float32, 10), make([]float32, 10)
	for range 1000 {
		pose(state, rng)
		pose(step, rng)
		want := geom.Rot6DAt(state[3:9]).Mat().Mul(geom.Rot6DAt(step[3:9]).Mat())
		for _, f := range forms(t)[3:] {
			act := make([]float32, f.Dim())
			Form{Rotation: f.Rotation}.EncodeTo(act, step, nil) // a pose written in the form's rotation, then read as a delta
			f.DecodeTo(dst, act, state)
			if d := want.Quat().Angle(geom.Rot6DAt(dst[3:9]).Quat()); d > 2e-6 {
				t.Fatalf("%s: rotation %g rad from R_tool dR", f, d)
			}
			for k := range 3 {
				if math.Abs(float64(dst[k]-state[k]-step[k])) > 1e-6 {
					t.Fatalf("%s: position %v, want %v + %v", f, dst[:3], state[:3], step[:3])
				}
			}
		}
	}
	// The tool points down (half a turn about x). A quarter turn about its own z is one about -z of the base.
	geom.Rot6DTo(state[3:9], geom.RotX(math.Pi).Quat())
	Form{Rotation: AxisAngle, Delta: true}.DecodeTo(dst, []float32{0.1, 0, 0, 0, 0, math.Pi / 2, 1}, state)
	want := geom.RotZ(-math.Pi / 2).Mul(geom.RotX(math.Pi)).Rot6D()
	for k := range want {
		if math.Abs(float64(dst[3+k])-want[k]) > 1e-6 {
			t.Fatalf("rotation %v, want %v", dst[3:9], want)
		}
	}
	if math.Abs(float64(dst[0]-state[0]-0.1)) > 1e-6 || dst[9] != 1 {
		t.Errorf("action %v from state %v", dst, state[:3])
	}
}

// TestNoop: FurnitureSim's no-op is a zero delta with the identity rotation.
func TestNoop(t *testing.T) {
	rng := seed.Stream(3, "test", 0)
	state, dst := make([]float32, 16), make([]float32, 10)
	for name, noop := range map[string][]float32{
		"delta-6d": {0, 0, 0, 1, 0, 0, 0, 1, 0, 0}, "delta-quat": {0, 0, 0, 0, 0, 0, 1, 0},
		"delta-axis-angle": {0, 0, 0, 0, 0, 0, 0},
	} {
		pose(state, rng)
		f, err := ParseForm(name)
		if err != nil {
			t.Fatal(err)
		}
		f.DecodeTo(dst, noop, state)
		if m, rad := apart(dst, state); m > 0 || rad > 1e-6 {
			t.Errorf("%s: the no-op moves by %g m and %g rad", name, m, rad)
		}
	}
}

func TestConvert(t *testing.T) {
	rng := seed.Stream(4, "test", 0)
	const n = 50
	actions, states := make([]float32, n*10), make([]float32, n*16)
	for i := range n {
		pose(actions[10*i:], rng)
		pose(states[16*i:], rng)
	}
	for _, from := range forms(t) {
		src := make([]float32, n*from.Dim())
		if err := Convert(src, actions, states, Canonical, from); err != nil {
			t.Fatal(err)
		}
		for _, to := range forms(t) {
			dst, back := make([]float32, n*to.Dim()), make([]float32, n*10)
			if err := Convert(dst, src, states, from, to); err != nil {
				t.Fatal(err)
			}
			if err := Convert(back, dst, states, to, Canonical); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if m, rad := apart(back[10*i:], actions[10*i:]); m > 1e-6 || rad > 5e-6 {
					t.Fatalf("%s to %s: frame %d is %g m and %g rad away", from, to, i, m, rad)
				}
			}
		}
	}
	if !slices.Equal(actions, func() []float32 {
		same := make([]float32, len(actions))
		if err := Convert(same, actions, nil, Canonical, Canonical); err != nil {
			t.Fatal(err)
		}
		return same
	}()) {
		t.Error("canonical to canonical changed a bit")
	}
	quat := Form{Rotation: Quaternion, Delta: true}
	for name, err := range map[string]error{
		"no states":      Convert(make([]float32, n*8), actions, nil, Canonical, quat),
		"lengths differ": Convert(make([]float32, 8), actions, states, Canonical, quat),
		"half a frame":   Convert(make([]float32, 8), actions[:15], states, Canonical, quat),
		"not finite": Convert(make([]float32, 8), append(slices.Clone(actions[:9]), float32(math.NaN())), states[:16],
			Canonical, quat),
	} {
		if err == nil {
			t.Errorf("%s: converted without an error", name)
		}
	}
	if _, err := ParseForm("euler"); err == nil || !strings.Contains(err.Error(), "delta-axis-angle") {
		t.Errorf("unknown form: %v", err)
	}
}

func TestNoAllocation(t *testing.T) {
	act, dst, state := make([]float32, 10), make([]float32, 10), make([]float32, sim.StateDim)
	pose(state, seed.Stream(5, "test", 0))
	for _, f := range forms(t) {
		if n := testing.AllocsPerRun(100, func() {
			f.EncodeTo(act[:f.Dim()], state, state)
			f.DecodeTo(dst, act[:f.Dim()], state)
		}); n != 0 {
			t.Errorf("%s: %v allocations", f, n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(uint8(1), float32(0), float32(1), float32(0), float32(0))
	f.Add(uint8(2), float32(1e38), float32(-1e38), float32(1e-38), float32(0))
	f.Fuzz(func(t *testing.T, form uint8, a, b, c, d float32) {
		fs := forms(t)
		fm := fs[int(form)%len(fs)]
		act := make([]float32, fm.Dim())
		copy(act[3:], []float32{a, b, c, d})
		if fm.Check(act) != nil {
			return
		}
		dst, state := make([]float32, 10), make([]float32, 16)
		state[3], state[7] = 1, 1
		fm.DecodeTo(dst, act, state)
		if err := sim.CheckAction(dst); err != nil {
			t.Fatalf("%s %v: %v", fm, act, err)
		}
	})
}
