package plausible

import (
	"fmt"
	"math"
	"time"
)

const (
	jointSlack   = 0.05 // rad or m: beyond a limit, and of a motion
	jointHaste   = 1.5  // how much faster than its limit a joint may be that is pushed
	reportedFast = 3.0  // how much faster its reported velocity may be, which is often a noisy difference
)

// Joint is what one joint can do.
type Joint struct {
	Name        string
	Min, Max    float64 // rad or m
	MaxVelocity float64 // rad/s or m/s
}

// Joints accepts or refuses measured joints. It is for one goroutine.
type Joints struct {
	Limits []Joint

	last        []float64 // nil: none yet
	stamp, came time.Time
}

// Forget makes the next joints the first ones.
func (g *Joints) Forget() { g.last = nil }

// Accept looks at the positions q (rad or m) and velocities dq (nil: not told) of all joints. See [Tool.Accept] for the
// times and the result.
func (g *Joints) Accept(q, dq []float64, stamp, came time.Time) error {
	for i := range g.Limits {
		j := &g.Limits[i]
		switch {
		case !Finite(q[i : i+1]):
			return j.refuse("at %g is not finite", q[i])
		case q[i] < j.Min-jointSlack || q[i] > j.Max+jointSlack:
			return j.refuse("at %.4g is outside its limits %.4g..%.4g", q[i], j.Min, j.Max)
		case dq != nil && !Finite(dq[i:i+1]):
			return j.refuse("moves at %g, which is not finite", dq[i])
		case dq != nil && math.Abs(dq[i]) > reportedFast*j.MaxVelocity+jointSlack:
			return j.refuse("moves at %.4g, its limit is %.4g", dq[i], j.MaxVelocity)
		}
		if g.last == nil {
			continue
		}
		dt := elapsed(stamp, came, g.stamp, g.came)
		if d, limit := math.Abs(q[i]-g.last[i]), jointSlack+jointHaste*j.MaxVelocity*dt; d > limit {
			return j.refuse("leapt by %.4g in %.3f s, at most %.4g are possible", d, dt, limit)
		}
	}
	g.last = append(g.last[:0], q...)
	g.stamp, g.came = stamp, came
	return nil
}

func (j *Joint) refuse(format string, a ...any) error {
	return &Error{"joint " + j.Name, fmt.Sprintf(format, a...)}
}
