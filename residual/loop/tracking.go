package loop

import (
	"fmt"
	"math"
	"time"

	"korr/internal/setting"
)

// Tracking says when an arm that does not do what it is told is a fault. A zero field switches its check off.
//
// An arm in contact stays behind its command, and one that is told to go far is behind all the way; neither is a fault.
// A blocked arm is behind and does not come nearer.
type Tracking struct {
	// m behind its command at which an arm that does not come nearer is blocked; 0 = off
	MaxError    float64 `yaml:"tracking_error"`
	MinProgress float64 // m per tick toward the command, below which an arm that is behind is blocked
	Ticks       int     `yaml:"tracking_ticks"` // control steps in a row of that are a fault
	MaxSpeed    float64 `yaml:"tracking_speed"` // m/s; a measured position that moves faster is a fault; 0 = off
}

// DefaultTracking is what a robot runs with.
func DefaultTracking() Tracking {
	return Tracking{MaxError: 0.05, MinProgress: 0.001, Ticks: 20, MaxSpeed: 2.5}
}

// Validate reports the first setting that is out of range.
func (t *Tracking) Validate() error {
	return setting.Check(
		"loop",
		setting.Within("tracking_error", t.MaxError, 0, 10),
		setting.AtLeast("tracking_ticks", t.Ticks, 1),
		setting.Within("tracking_speed", t.MaxSpeed, 0, 100),
	)
}

// TrackingError means that the arm does not follow its commands, or that its measured position leaps. Faults.
type TrackingError struct {
	Snapshot
	Distance float64 // m; behind the command, or travelled since the sample before
	Limit    float64 // m
	Ticks    int     // blocked in a row; 0 for a leap
}

// Error implements error.
func (e *TrackingError) Error() string {
	if e.Ticks == 0 {
		return fmt.Sprintf("loop: the measured position leapt by %.3f m, at most %.3f m are possible; check the arm's "+
			"state publisher", e.Distance, e.Limit)
	}
	return fmt.Sprintf("loop: the arm stays %.3f m behind its command (limit %.3f m) and did not come nearer for %d "+
		"ticks; is it blocked, or not under control?", e.Distance, e.Limit, e.Ticks)
}

// tracker is the state of the two checks; the loop's goroutine owns it.
type tracker struct {
	at      [3]float64 // measured position of the sample before
	stamp   time.Time
	seq     uint64
	known   bool
	blocked int // ticks in a row
}

// forget begins anew: what is measured next did not follow from the last command.
func (t *tracker) forget() { t.known, t.blocked = false, 0 }

// check looks at the newest sample against the one before and the command sent in between; previous is nil when there
// was none.
func (t *tracker) check(cfg *Tracking, period time.Duration, s *Sample, previous []float32) *TrackingError {
	if t.known && s.Seq == t.seq { // the sample was looked at
		return nil
	}
	at := [3]float64{float64(s.Obs[0]), float64(s.Obs[1]), float64(s.Obs[2])}
	before, stamp, known := t.at, t.stamp, t.known
	t.at, t.stamp, t.seq, t.known = at, s.Stamp, s.Seq, true
	if !known {
		return nil
	}
	if cfg.MaxSpeed > 0 {
		limit := cfg.MaxSpeed * max(s.Stamp.Sub(stamp), period).Seconds()
		if d := distance(at, before); d > limit && limit > 0 {
			return &TrackingError{Distance: d, Limit: limit}
		}
	}
	if cfg.MaxError <= 0 || cfg.Ticks <= 0 || previous == nil {
		return nil
	}
	goal := [3]float64{float64(previous[0]), float64(previous[1]), float64(previous[2])}
	behind := distance(goal, at)
	if behind <= cfg.MaxError || distance(goal, before)-behind >= cfg.MinProgress {
		t.blocked = 0
		return nil
	}
	if t.blocked++; t.blocked < cfg.Ticks {
		return nil
	}
	return &TrackingError{Distance: behind, Limit: cfg.MaxError, Ticks: t.blocked}
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}
