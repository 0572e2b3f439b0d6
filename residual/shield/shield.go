package shield

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"korr/internal/geom"
	"korr/internal/layout"
)

const (
	// CommandDim is the width of a command: position 3 (m, base frame), rotation 6D, gripper (-1 opens,
	// +1 closes).
	CommandDim = layout.Action
	// MeasuredDim is how much of a raw observation is read: end-effector position 3 and rotation 6D.
	MeasuredDim = layout.Tool

	roundMetres  = 2e-6   // kept back from every length, so that rounding to float32 stays inside
	roundRadians = 2e-6   // the same for angles
	fastest      = 1000.0 // m/s or rad/s; more is no limit
	farthest     = 10.0   // m; a measured coordinate beyond this is a broken sensor
	skewed       = 0.1    // how far from orthonormal a 6D rotation may be before it is reported
	degenerate   = 1e-3   // sine of the angle between the rows of a 6D rotation below which it has no meaning
	shortest     = 1e-12  // length of such a row
)

// Clamp says, bit by bit, what the shield changed.
type Clamp uint32

// The bits of a Clamp.
const (
	Workspace    Clamp          = 1 << iota // position moved into the box
	Rate                                    // translation from the previous command shortened
	Step                                    // translation from the measured position shortened
	Orthonormal                             // the 6D rotation was far from orthonormal
	NoRotation                              // the 6D rotation was degenerate; the measured one was taken
	TurnRate                                // rotation from the previous command shortened
	Turn                                    // rotation from the measured one shortened
	Gripper                                 // gripper command outside [-1, 1]
	clampEnd                                // one past the last bit
	Any          = clampEnd - 1             // every bit
	clampStrings = "workspace rate step orthonormal no_rotation turn_rate turn gripper"
)

// String lists the bits' names with commas; "" for none.
func (c Clamp) String() string {
	var names []string
	for i, name := range strings.Fields(clampStrings) {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// MarshalText implements encoding.TextMarshaler with String.
func (c Clamp) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Limits is what a command must keep. Lengths are metres in the robot base frame, angles radians.
type Limits struct {
	Min, Max     [3]float64 // workspace box
	MaxStep      float64    // position: farthest from the measured one
	MaxTurn      float64    // rotation: farthest from the measured one, in (0, pi]
	MaxSpeed     float64    // m/s of the commanded position
	MaxTurnRate  float64    // rad/s of the commanded rotation
	MaxAccel     float64    // m/s^2: change of the commanded velocity
	MaxTurnAccel float64    // rad/s^2: change of the commanded angular velocity
}

// DefaultPeriod is the time between two commands where nobody says otherwise.
const DefaultPeriod = 0.1 // s

// tick is what the rates allow between two commands: m and rad.
type tick struct {
	delta, turn             float64 // from the previous command
	deltaChange, turnChange float64 // of that motion, from the motion before
}

// per is the tick of a period dt, s. No turn is more than half a turn.
func (l *Limits) per(dt float64) tick {
	return tick{
		delta: l.MaxSpeed * dt, turn: min(l.MaxTurnRate*dt, math.Pi),
		deltaChange: l.MaxAccel * dt * dt, turnChange: l.MaxTurnAccel * dt * dt,
	}
}

// Default returns the limits of the real arm: the workspace x 0.3..0.8, y -0.55..0.55, z 0.005..0.4 m, at most 0.10 m
// from the measured position, and 1 m/s, which is 0.10 m per tick at 10 Hz. The angles (1.0 rad from the measured
// rotation, 6 rad/s) are this project's: wide enough that differential inverse kinematics, which turns at most 0.4 rad
// per tick at 10 Hz, never feels them. Both speeds are reached in 0.1 s (10 m/s^2, 60 rad/s^2).
func Default() Limits {
	return Limits{
		Min: [3]float64{0.3, -0.55, 0.005}, Max: [3]float64{0.8, 0.55, 0.4},
		MaxStep: 0.10, MaxTurn: 1.0, MaxSpeed: 1, MaxTurnRate: 6, MaxAccel: 10, MaxTurnAccel: 60,
	}
}

// Validate refuses limits that no command can keep.
func (l *Limits) Validate() error {
	for i, axis := range "xyz" {
		if !(l.Min[i] < l.Max[i]) || math.Abs(l.Min[i]) > farthest || math.Abs(l.Max[i]) > farthest {
			return fmt.Errorf("shield: workspace %c = %g..%g m: want min < max within +-%g m", axis, l.Min[i],
				l.Max[i], farthest)
		}
	}
	for _, v := range []struct {
		name       string
		value, max float64
	}{
		{"MaxStep", l.MaxStep, farthest},
		{"MaxSpeed", l.MaxSpeed, fastest},
		{"MaxTurnRate", l.MaxTurnRate, fastest},
		{"MaxAccel", l.MaxAccel, fastest * fastest},
		{"MaxTurnAccel", l.MaxTurnAccel, fastest * fastest},
		{"MaxTurn", l.MaxTurn, math.Pi},
	} {
		if !(v.value > 10*roundMetres && v.value <= v.max) {
			return fmt.Errorf("shield: %s = %g: want a positive number up to %.4g", v.name, v.value, v.max)
		}
	}
	return nil
}

// ErrMeasured reports a measured pose against which nothing can be limited.
var ErrMeasured = errors.New("shield: measured pose is unusable")

// NotFiniteError reports the first value of a vector that is NaN or infinite.
type NotFiniteError struct {
	What  string // the vector: "command", "measured pose", "base action", ...
	Index int
	Value float32
}

// Error implements error.
func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("%s[%d] = %g is not finite", e.What, e.Index, e.Value)
}

// CheckFinite returns a NotFiniteError that calls x what, or nil.
func CheckFinite(what string, x []float32) error {
	if i := NotFinite(x); i >= 0 {
		return &NotFiniteError{What: what, Index: i, Value: x[i]}
	}
	return nil
}

// NotFinite returns the index of the first NaN or infinity in x, or -1.
func NotFinite(x []float32) int {
	for i, v := range x {
		if v-v != 0 { // false only for finite v
			return i
		}
	}
	return -1
}

// ApplyTo writes the nearest allowed command to dst [CommandDim] and returns what it changed. cmd is the
// raw command [CommandDim]; measured begins with the raw end-effector pose [MeasuredDim]; previous is the
// command sent the tick before [CommandDim], or nil. dst may be cmd. On an error dst is left as it was
// and nothing may be sent.
func (l *Limits) ApplyTo(dst, cmd, measured, previous []float32) (Clamp, error) {
	t := l.per(DefaultPeriod)
	return l.apply(dst, cmd, measured, previous, &t, nil)
}

// apply is ApplyTo for a tick of any length. before is the motion that led to the previous command; nil does not limit
// the acceleration.
func (l *Limits) apply(dst, cmd, measured, previous []float32, t *tick, before *motion) (Clamp, error) {
	dst, cmd, measured = dst[:CommandDim], cmd[:CommandDim], measured[:MeasuredDim]
	if err := finite(cmd, measured, previous); err != nil {
		return 0, err
	}
	m := geom.VecAt(measured)
	q, sound := rotation(measured[3:])
	if sound&NoRotation != 0 || beyond(m) {
		return 0, fmt.Errorf("%w: position %.3g %.3g %.3g m, 6D rotation %.3g", ErrMeasured, m[0], m[1], m[2], measured[3:])
	}
	p, clamps := l.position(geom.VecAt(cmd), m, previous, t, before)
	turned, more := l.turn(cmd[3:], q, previous, t, before)
	clamps |= more
	g := min(max(cmd[9], -1), 1)
	if g != cmd[9] {
		clamps |= Gripper
	}
	geom.VecTo(dst, p)
	l.stretch(dst, measured)
	geom.Rot6DTo(dst[3:], turned)
	dst[9] = g
	return clamps, nil
}

// finite checks the three inputs.
func finite(cmd, measured, previous []float32) error {
	if err := CheckFinite("command", cmd); err != nil {
		return err
	}
	if err := CheckFinite("measured pose", measured); err != nil {
		return err
	}
	return CheckFinite("previous command", previous)
}

// beyond says whether v is farther out than any sensor can mean.
func beyond(v geom.Vec3) bool {
	return math.Abs(v[0]) > farthest || math.Abs(v[1]) > farthest || math.Abs(v[2]) > farthest
}

// position limits the translation (see the package comment).
func (l *Limits) position(p, m geom.Vec3, previous []float32, t *tick, before *motion) (geom.Vec3, Clamp) {
	var clamps Clamp
	for i := range p {
		v := min(max(p[i], l.Min[i]), l.Max[i])
		if v != p[i] {
			// A float32 command on the wall itself is not news.
			if math.Abs(v-p[i]) > roundMetres {
				clamps |= Workspace
			}
			p[i] = v
		}
	}
	if previous != nil {
		q := geom.VecAt(previous)
		if d := p.Sub(q).Norm(); d > t.delta-roundMetres {
			p = q.Lerp(p, max(t.delta-roundMetres, 0)/d)
			clamps |= Rate
		}
		if before != nil {
			if d := p.Sub(q).Sub(before.shift); d.Norm() > t.deltaChange {
				p = q.Add(before.shift).Add(d.Scale(t.deltaChange / d.Norm()))
				clamps |= Rate
			}
		}
	}
	if d := p.Sub(m).Norm(); d > l.MaxStep-roundMetres {
		p = m.Lerp(p, (l.MaxStep-roundMetres)/d)
		clamps |= Step
	}
	return p, clamps
}

// stretch clamps the float32 position to the box stretched to hold the measured position.
func (l *Limits) stretch(dst, measured []float32) {
	for i := range 3 {
		lo, hi := inward(l.Min[i], 1), inward(l.Max[i], -1)
		dst[i] = min(max(dst[i], min(lo, measured[i])), max(hi, measured[i]))
	}
}

// inward rounds v to a float32 that does not lie outside it; toward is +1 or -1.
func inward(v float64, toward float32) float32 {
	f := float32(v)
	if float64(toward)*(float64(f)-v) < 0 {
		return math.Nextafter32(f, f+toward)
	}
	return f
}

// rotation reads a 6D rotation and says whether it was skewed or degenerate.
func rotation(six []float32) (geom.Quat, Clamp) {
	r := geom.Rot6DAt(six)
	a, b := geom.Vec3{r[0], r[1], r[2]}, geom.Vec3{r[3], r[4], r[5]}
	na, nb := a.Norm(), b.Norm()
	if na < shortest || nb < shortest || a.Cross(b).Norm() < degenerate*na*nb {
		return geom.IdentityQuat, NoRotation
	}
	var clamps Clamp
	if math.Abs(na-1) > skewed || math.Abs(nb-1) > skewed || math.Abs(a.Dot(b)) > skewed*na*nb {
		clamps = Orthonormal
	}
	return r.Quat(), clamps
}

// turn limits the rotation of a command (6D) against the measured one q and the previous command.
func (l *Limits) turn(six []float32, q geom.Quat, previous []float32, t *tick, before *motion) (geom.Quat, Clamp) {
	r, clamps := rotation(six)
	if clamps&NoRotation != 0 {
		r = q
	}
	if previous != nil {
		if p, broken := rotation(previous[3:]); broken&NoRotation == 0 {
			if a := p.Angle(r); a > t.turn-roundRadians {
				r = p.Slerp(r, max(t.turn-roundRadians, 0)/a)
				clamps |= TurnRate
			}
			if before != nil {
				if w := r.Mul(p.Inv()).RotVec().Sub(before.turn); w.Norm() > t.turnChange {
					r = geom.RotVec(before.turn.Add(w.Scale(t.turnChange / w.Norm()))).Mul(p)
					clamps |= TurnRate
				}
			}
		}
	}
	if a := q.Angle(r); a > l.MaxTurn-roundRadians {
		r = q.Slerp(r, (l.MaxTurn-roundRadians)/a)
		clamps |= Turn
	}
	return r, clamps
}
