package loop

import (
	"context"
	"time"
)

// Clock tells the loop the time. Now must never run backwards (Go's wall times carry a monotonic
// reading and qualify).
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// SleepUntil blocks until t, or until ctx ends, whose error it then returns. A t in the past returns
	// at once.
	SleepUntil(ctx context.Context, t time.Time) error
}

// WallClock is the Clock of the machine. It keeps one timer and is for one goroutine; it allocates only
// in [NewWallClock].
type WallClock struct{ timer *time.Timer }

// NewWallClock returns a clock whose timer is stopped.
func NewWallClock() *WallClock {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &WallClock{timer: timer}
}

// Now implements [Clock].
func (*WallClock) Now() time.Time { return time.Now() }

// SleepUntil implements [Clock].
func (c *WallClock) SleepUntil(ctx context.Context, t time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wait := time.Until(t)
	if wait <= 0 {
		return nil
	}
	c.timer.Reset(wait)
	select {
	case <-c.timer.C:
		return nil
	case <-ctx.Done():
		c.timer.Stop()
		return ctx.Err()
	}
}
