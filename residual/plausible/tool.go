package plausible

import (
	"fmt"
	"math"
	"time"

	"korr/internal/geom"
)

const (
	properRotation = 1e-3                   // of every element of R R' - I
	toolSlack      = 0.01                   // m, that noise may add to a motion
	turnSlack      = 0.1                    // rad
	believedStamp  = 200 * time.Millisecond // of the time between two stamps
)

// Error says why a measurement is not believed.
type Error struct {
	What string // the measurement: "the arm's pose", "joint elbow", ...
	Why  string
}

// Error implements error.
func (e *Error) Error() string { return e.What + " " + e.Why }

// elapsed is the time in which a measurement may have changed, s: see the package comment.
func elapsed(stamp, came, stamp0, came0 time.Time) float64 {
	byStamp := min(max(stamp.Sub(stamp0), 0), believedStamp)
	return max(came.Sub(came0), byStamp).Seconds()
}

// ToolLimits say where an end effector can be, and how fast it can get there.
type ToolLimits struct {
	Centre   geom.Vec3 // m, base frame
	Radius   float64   // m, about Centre
	MaxSpeed float64   // m/s; 0: any, for a simulator that is reset
	MaxTurn  float64   // rad/s
}

// Tool accepts or refuses measured poses of an end effector. It is for one goroutine.
type Tool struct {
	Limits ToolLimits

	position    geom.Vec3
	rotation    geom.Mat3
	stamp, came time.Time
	known       bool
}

// Forget makes the next pose the first one: the arm may be anywhere.
func (t *Tool) Forget() { t.known = false }

// Accept looks at the position p (m) and rotation r, base frame, of a measurement that is stamped and came at these
// times; came is monotonic. It returns an *Error, or nil and judges the next pose against this one.
func (t *Tool) Accept(p geom.Vec3, r geom.Mat3, stamp, came time.Time) error {
	if err := t.proper(p, r); err != nil {
		return err
	}
	if t.known && t.Limits.MaxSpeed > 0 {
		dt := elapsed(stamp, came, t.stamp, t.came)
		if d, limit := p.Sub(t.position).Norm(), toolSlack+t.Limits.MaxSpeed*dt; d > limit {
			return t.refuse("leapt by %.3f m in %.3f s, at most %.3f m are possible", d, dt, limit)
		}
		if a, limit := turned(t.rotation, r), turnSlack+t.Limits.MaxTurn*dt; a > limit {
			return t.refuse("turned by %.3f rad in %.3f s, at most %.3f rad are possible", a, dt, limit)
		}
	}
	t.position, t.rotation, t.stamp, t.came, t.known = p, r, stamp, came, true
	return nil
}

// proper looks at one pose alone.
func (t *Tool) proper(p geom.Vec3, r geom.Mat3) error {
	if !Finite(p[:]) || !Finite(r[:]) {
		return t.refuse("is not finite: position %v, rotation %v", p, r)
	}
	product := r.Mul(r.T())
	for i, v := range geom.Identity3 {
		if !(math.Abs(product[i]-v) <= properRotation) {
			return t.refuse("holds no rotation: %.3g", r)
		}
	}
	if r.Row(0).Cross(r.Row(1)).Dot(r.Row(2)) < 0 {
		return t.refuse("holds a mirror instead of a rotation: %.3g", r)
	}
	if d := p.Sub(t.Limits.Centre).Norm(); !(d <= t.Limits.Radius) {
		return t.refuse("is out of reach: %.3g m from the shoulder, at most %.3g m are possible", d, t.Limits.Radius)
	}
	return nil
}

func (t *Tool) refuse(format string, a ...any) error {
	return &Error{"the arm's pose", fmt.Sprintf(format, a...)}
}

// turned is the angle between two rotations, rad: from the trace of their difference, which needs no quaternions.
func turned(a, b geom.Mat3) float64 {
	m := a.T().Mul(b)
	return math.Acos(min(max((m[0]+m[4]+m[8]-1)/2, -1), 1))
}

// Finite reports whether x holds neither NaN nor infinities.
func Finite(x []float64) bool {
	for _, v := range x {
		if v-v != 0 { // NaN for what is not finite
			return false
		}
	}
	return true
}
