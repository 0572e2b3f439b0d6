package shield

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"korr/internal/geom"
)

// at returns a command or measured pose: position, rotation, gripper.
func at(p geom.Vec3, q geom.Quat, gripper float32) []float32 {
	s := make([]float32, CommandDim)
	geom.VecTo(s, p)
	geom.Rot6DTo(s[3:], q)
	s[9] = gripper
	return s
}

var (
	down   = geom.AxisAngle(geom.Vec3{1, 0, 0}, math.Pi)
	centre = geom.Vec3{0.55, 0, 0.2}
)

func angle(a, b []float32) float64 { return geom.Rot6DAt(a).Quat().Angle(geom.Rot6DAt(b).Quat()) }

func distance(a, b []float32) float64 { return geom.VecAt(a).Sub(geom.VecAt(b)).Norm() }

func TestApplyTo(t *testing.T) {
	yaw := func(a float64) geom.Quat { return geom.RotZ(a).Quat().Mul(down) }
	skew := at(centre, down, 0)
	skew[3], skew[4] = 2, 0.5
	flat := at(centre, down, 0)
	copy(flat[3:9], []float32{1, 1, 1, 2, 2, 2})
	for _, c := range []struct {
		name                    string
		cmd, measured, previous []float32
		want                    []float32 // nil: only the flags
		clamps                  Clamp
	}{
		{"nothing to do", at(centre, down, 0.5), at(centre, down, 0), nil, at(centre, down, 0.5), 0},
		{
			"floor", at(geom.Vec3{0.5, 0, -1}, down, 1), at(geom.Vec3{0.5, 0, 0.05}, down, 0), nil,
			at(geom.Vec3{0.5, 0, 0.005}, down, 1), Workspace,
		},
		{
			"step", at(geom.Vec3{0.75, 0, 0.2}, down, 1), at(centre, down, 0), nil,
			at(geom.Vec3{0.65, 0, 0.2}, down, 1), Step,
		},
		{
			"rate", at(geom.Vec3{0.60, 0, 0.2}, down, 1), at(centre, down, 0), at(geom.Vec3{0.48, 0, 0.2}, down, 1),
			at(geom.Vec3{0.58, 0, 0.2}, down, 1), Rate,
		},
		{
			"arm outside comes back", at(centre, down, 0), at(geom.Vec3{0.55, 0.9, 0.2}, down, 0), nil,
			at(geom.Vec3{0.55, 0.8, 0.2}, down, 0), Step,
		},
		{
			"arm pushed away from the last command", at(centre, down, 0), at(geom.Vec3{0.55, 0.4, 0.2}, down, 0),
			at(centre, down, 0), at(geom.Vec3{0.55, 0.3, 0.2}, down, 0), Step,
		},
		{"turn", at(centre, yaw(2), 0), at(centre, down, 0), nil, at(centre, yaw(1), 0), Turn},
		{"turn rate", at(centre, yaw(0.9), 0), at(centre, down, 0), at(centre, down, 0), at(centre, yaw(0.6), 0), TurnRate},
		{"gripper", at(centre, down, -7), at(centre, down, 0), nil, at(centre, down, -1), Gripper},
		{"skewed", skew, at(centre, down, 0), nil, nil, Orthonormal},
		{"no rotation", flat, at(centre, down, 0), nil, at(centre, down, 0), NoRotation},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, got := Default(), make([]float32, CommandDim)
			clamps, err := l.ApplyTo(got, c.cmd, c.measured, c.previous)
			if err != nil {
				t.Fatal(err)
			}
			if clamps != c.clamps {
				t.Errorf("clamps %q, want %q", clamps, c.clamps)
			}
			for i := range c.want {
				if math.Abs(float64(got[i]-c.want[i])) > 1e-5 {
					t.Fatalf("got %v\nwant %v", got, c.want)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	good := at(centre, down, 0)
	with := func(i int, v float32) []float32 {
		s := append([]float32(nil), good...)
		s[i] = v
		return s
	}
	zeroRow := append([]float32(nil), good...)
	copy(zeroRow[3:6], []float32{0, 0, 0})
	for _, c := range []struct {
		name                    string
		cmd, measured, previous []float32
		what                    string // of the NotFiniteError; "" means ErrMeasured
		index                   int
	}{
		{"command", with(9, nan), good, good, "command", 9},
		{"measured", good, with(4, inf), good, "measured pose", 4},
		{"previous", good, good, with(0, nan), "previous command", 0},
		{"measured far away", good, with(0, 1e6), nil, "", 0},
		{"measured rotation", good, zeroRow, nil, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Default()
			dst := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
			_, err := l.ApplyTo(dst, c.cmd, c.measured, c.previous)
			var nf *NotFiniteError
			switch {
			case c.what == "" && !errors.Is(err, ErrMeasured):
				t.Errorf("err = %v, want ErrMeasured", err)
			case c.what != "" && (!errors.As(err, &nf) || nf.What != c.what || nf.Index != c.index):
				t.Errorf("err = %v, want %s[%d]", err, c.what, c.index)
			}
			for i, v := range dst {
				if v != float32(i+1) {
					t.Fatalf("dst was touched: %v", dst)
				}
			}
		})
	}
}

// hostile draws numbers a broken policy might send: huge, tiny, NaN, infinite, signed zero, or sensible.
func hostile(rng *rand.Rand, sane float32) float32 {
	switch rng.IntN(24) {
	case 0:
		return math.Float32frombits(rng.Uint32())
	case 1:
		return float32(math.Inf(rng.IntN(2)*2 - 1))
	case 2:
		return float32(math.NaN())
	case 3:
		return float32(math.Copysign(0, float64(rng.IntN(2)*2-1)))
	case 4:
		return math.MaxFloat32
	case 5:
		return math.SmallestNonzeroFloat32
	case 6:
		return sane * 1e4
	}
	return sane
}

// TestMillionHostileInputs checks every invariant of the package comment on a million inputs of which
// about half hold something broken, chained so that the previous command is the last accepted one.
func TestMillionHostileInputs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := Default()
	cmd, measured, out := make([]float32, 10), make([]float32, 16), make([]float32, 10)
	var previous []float32
	store := make([]float32, 10)
	accepted, clamped := 0, Clamp(0)
	for n := range 1_000_000 {
		broken := n%2 == 1
		draw := func(dst []float32, centre, spread float32) {
			for i := range dst {
				dst[i] = centre + spread*float32(rng.NormFloat64())
				if broken {
					dst[i] = hostile(rng, dst[i])
				}
			}
		}
		draw(cmd[:3], 0.4, 0.5)
		draw(cmd[3:], 0, 1)
		draw(measured[:3], 0.4, 0.3)
		draw(measured[3:9], 0, 1)
		if rng.IntN(5) == 0 {
			previous = nil
		}
		clamps, err := l.ApplyTo(out, cmd, measured, previous)
		if err != nil {
			if NotFinite(cmd) < 0 && NotFinite(measured[:9]) < 0 && !errors.Is(err, ErrMeasured) {
				t.Fatalf("refused a finite input: %v", err)
			}
			continue
		}
		accepted++
		clamped |= clamps
		checkOutput(t, &l, out, measured, previous, clamps)
		copy(store, out)
		previous = store
	}
	if accepted < 500_000 {
		t.Errorf("only %d of 1e6 inputs were accepted", accepted)
	}
	if clamped != Any {
		t.Errorf("the inputs never reached %q", Any&^clamped)
	}
}

func checkOutput(t *testing.T, l *Limits, out, measured, previous []float32, clamps Clamp) {
	t.Helper()
	if i := NotFinite(out); i >= 0 {
		t.Fatalf("out[%d] = %g", i, out[i])
	}
	for i := range 3 {
		lo, hi := min(l.Min[i], float64(measured[i])), max(l.Max[i], float64(measured[i]))
		if v := float64(out[i]); v < lo || v > hi {
			t.Fatalf("axis %d: %.9g outside %.9g..%.9g", i, v, lo, hi)
		}
	}
	if d := distance(out, measured); d > l.MaxStep {
		t.Fatalf("step %.9g m", d)
	}
	if a := angle(out[3:], measured[3:]); a > l.MaxTurn {
		t.Fatalf("turn %.9g rad", a)
	}
	r := geom.Rot6DAt(out[3:])
	a, b := geom.Vec3{r[0], r[1], r[2]}, geom.Vec3{r[3], r[4], r[5]}
	if math.Abs(a.Norm()-1) > 1e-6 || math.Abs(b.Norm()-1) > 1e-6 || math.Abs(a.Dot(b)) > 1e-6 {
		t.Fatalf("rows %v are not orthonormal", r)
	}
	if out[9] < -1 || out[9] > 1 {
		t.Fatalf("gripper %g", out[9])
	}
	if previous == nil {
		return
	}
	// The rate limit holds against the previous command's image under the step limit and the box.
	m := geom.VecAt(measured)
	image := geom.VecAt(previous)
	if d := image.Sub(m).Norm(); d > l.MaxStep {
		image = m.Lerp(image, l.MaxStep/d)
	}
	for i := range image {
		image[i] = min(max(image[i], min(l.Min[i], m[i])), max(l.Max[i], m[i]))
	}
	if d := geom.VecAt(out).Sub(image).Norm(); d > l.MaxSpeed*DefaultPeriod+1e-5 {
		t.Fatalf("moved %.9g m since the previous command", d)
	}
	if clamps&Turn == 0 {
		if a := angle(out[3:], previous[3:]); a > l.MaxTurnRate*DefaultPeriod {
			t.Fatalf("turned %.9g rad since the previous command", a)
		}
	}
}

func TestAliasAndReuse(t *testing.T) {
	l := Default()
	cmd, measured := at(geom.Vec3{2, 2, 2}, down, 3), at(centre, down, 0)
	want := make([]float32, CommandDim)
	if _, err := l.ApplyTo(want, cmd, measured, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.ApplyTo(cmd, cmd, measured, nil); err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if cmd[i] != want[i] {
			t.Fatalf("in place %v, apart %v", cmd, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if l := Default(); l.Validate() != nil {
		t.Fatal(l.Validate())
	}
	for name, spoil := range map[string]func(*Limits){
		"empty box":     func(l *Limits) { l.Min[1] = l.Max[1] },
		"NaN box":       func(l *Limits) { l.Max[2] = math.NaN() },
		"unbounded box": func(l *Limits) { l.Max[0] = math.Inf(1) },
		"no step":       func(l *Limits) { l.MaxStep = 0 },
		"NaN rate":      func(l *Limits) { l.MaxSpeed = math.NaN() },
		"wide turn":     func(l *Limits) { l.MaxTurn = 4 },
		"no turn rate":  func(l *Limits) { l.MaxTurnRate = -1 },
	} {
		l := Default()
		spoil(&l)
		if l.Validate() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestClampString(t *testing.T) {
	if got := (Workspace | Turn).String(); got != "workspace,turn" {
		t.Errorf("got %q", got)
	}
	if got := Any.String(); got != "workspace,rate,step,orthonormal,no_rotation,turn_rate,turn,gripper" {
		t.Errorf("got %q", got)
	}
}

func TestApplyToAllocatesNothing(t *testing.T) {
	l := Default()
	cmd, measured, previous, dst := at(geom.Vec3{2, 2, 2}, down, 3), at(centre, down, 0), at(centre, down, 0),
		make([]float32, 10)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := l.ApplyTo(dst, cmd, measured, previous); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkApplyTo(b *testing.B) {
	l := Default()
	cmd, measured, previous, dst := at(geom.Vec3{2, 2, 2}, down, 3), at(centre, down, 0), at(centre, down, 0),
		make([]float32, 10)
	for b.Loop() {
		if _, err := l.ApplyTo(dst, cmd, measured, previous); err != nil {
			b.Fatal(err)
		}
	}
}
