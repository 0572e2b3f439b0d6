package plausible

import (
	"fmt"
	"math"
	"time"

	"korr/internal/geom"
)

const (
	unitQuaternion = 0.02 // how far a norm may be from 1: single precision, and what people round
	partSlack      = 0.03 // m, of a part's motion; a tracker's noise
	partTurnSlack  = 0.5  // rad
	foundAfter     = 500 * time.Millisecond

	swapLeap = 0.02 // m; a part that moved farther between two messages may be another part
	swapNear = 0.03 // m; this near to where another part was it is taken for that one
)

// PartLimits say where a part can be, and how fast something can push it there. Zero speeds allow any motion, for a
// simulator that is reset.
type PartLimits struct {
	Radius   float64 // m, about the origin of the poses' frame
	MaxSpeed float64 // m/s
	MaxTurn  float64 // rad/s
}

// part is what is known of one.
type part struct {
	pose        geom.Pose // believed last
	stamp, came time.Time
	known       bool

	lost   error     // nil: it is tracked
	seen   geom.Pose // while it is lost: the newest pose that is one at all
	at     time.Time // when that came
	steady time.Time // since when it has been seen without a leap; zero: it is not
}

// Parts accepts or refuses the poses of parts. A part whose pose is none, is out of the workspace or leapt is lost, and
// keeps the pose that was believed last. It is found again when it has been seen for half a second without a leap. It
// is for one goroutine.
type Parts struct {
	Limits PartLimits

	parts []part
	where []geom.Vec3 // scratch of Swapped
	to    []int
}

// NewParts returns a gate for n parts.
func NewParts(n int, l PartLimits) *Parts {
	return &Parts{Limits: l, parts: make([]part, n), where: make([]geom.Vec3, n), to: make([]int, n)}
}

// Forget makes the next poses the first ones.
func (g *Parts) Forget() { clear(g.parts) }

// Pose is where part i was last believed to be.
func (g *Parts) Pose(i int) geom.Pose { return g.parts[i].pose }

// Lost returns the first part that is lost and why, or -1.
func (g *Parts) Lost() (int, error) {
	for i := range g.parts {
		if g.parts[i].lost != nil {
			return i, g.parts[i].lost
		}
	}
	return -1, nil
}

// Known reports whether every part was believed to be somewhere.
func (g *Parts) Known() bool {
	for i := range g.parts {
		if !g.parts[i].known {
			return false
		}
	}
	return true
}

// See takes the newest pose of part i, as it was told, and when it was stamped and came (monotonic).
func (g *Parts) See(i int, at geom.Pose, stamp, came time.Time) {
	p := &g.parts[i]
	if err := g.proper(at); err != nil {
		p.lost, p.steady = err, time.Time{}
		return
	}
	if p.lost == nil && p.known {
		p.lost = g.leap(p.pose, at, elapsed(stamp, came, p.stamp, p.came))
		p.steady = time.Time{}
	}
	if p.lost != nil && !g.found(p, at, came) {
		return
	}
	p.pose, p.stamp, p.came, p.known, p.lost = at, stamp, came, true, nil
}

// found reports whether a lost part has been seen long enough; at is where it is seen now.
func (g *Parts) found(p *part, at geom.Pose, came time.Time) bool {
	if p.steady.IsZero() || g.leap(p.seen, at, came.Sub(p.at).Seconds()) != nil {
		p.steady = came
	}
	p.seen, p.at = at, came
	return came.Sub(p.steady) >= foundAfter
}

// proper looks at one pose alone.
func (g *Parts) proper(at geom.Pose) error {
	norm := math.Sqrt(at.Q.Dot(at.Q))
	switch {
	case !Finite(at.P[:]) || !Finite(at.Q[:]):
		return fmt.Errorf("its pose is not finite")
	case !(math.Abs(norm-1) <= unitQuaternion):
		return fmt.Errorf("its quaternion has norm %.3g, want 1", norm)
	case !(at.P.Norm() <= g.Limits.Radius):
		return fmt.Errorf("it is %.3g m from its frame's origin, out of the workspace of %.3g m", at.P.Norm(),
			g.Limits.Radius)
	}
	return nil
}

// leap says which motion no push explains.
func (g *Parts) leap(from, to geom.Pose, dt float64) error {
	if g.Limits.MaxSpeed <= 0 {
		return nil
	}
	if d, limit := to.P.Sub(from.P).Norm(), partSlack+g.Limits.MaxSpeed*dt; d > limit {
		return fmt.Errorf("it leapt by %.3f m in %.3f s", d, dt)
	}
	if a, limit := from.Q.Normalize().Angle(to.Q.Normalize()), partTurnSlack+g.Limits.MaxTurn*dt; a > limit {
		return fmt.Errorf("it turned by %.2f rad in %.3f s", a, dt)
	}
	return nil
}

// Swapped reports a part that the next poses would put where another was, which itself is where a third was, and so on
// back to the first: the tracker confuses them. Parts that are moved by hand, or pushed, do not do that. It returns -1
// when there is none, and is asked before See.
func (g *Parts) Swapped(pose func(i int) geom.Pose) int {
	if g.Limits.MaxSpeed <= 0 {
		return -1
	}
	for i := range g.parts {
		p := &g.parts[i]
		g.where[i], g.to[i] = pose(i).P, -1
		if !p.known || !(g.where[i].Sub(p.pose.P).Norm() > swapLeap) {
			continue
		}
		nearest := swapNear
		for j := range g.parts {
			if d := g.where[i].Sub(g.parts[j].pose.P).Norm(); j != i && g.parts[j].known && d < nearest {
				g.to[i], nearest = j, d
			}
		}
	}
	for i := range g.parts {
		at := g.to[i]
		for range g.parts {
			if at < 0 || at == i {
				break
			}
			at = g.to[at]
		}
		if at == i {
			return i
		}
	}
	return -1
}
