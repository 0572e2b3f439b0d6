package loop

import (
	"context"
	"fmt"
	"sync/atomic"
)

// inputs are what other goroutines ask of the loop.
type inputs struct {
	running    atomic.Bool
	enabled    atomic.Bool
	resume     atomic.Bool
	hold       atomic.Pointer[string]
	block      atomic.Pointer[string]
	estop      atomic.Pointer[string]
	stops      atomic.Uint64 // emergency stops so far
	generation atomic.Uint64 // of all that forbids to move: it grows with every stop, hold and block
	interrupt  atomic.Pointer[context.CancelFunc]
	nudge      atomic.Pointer[context.CancelFunc] // of Loop.nudged
}

// Enable arms the loop (true), which leaves HOLD once observations are fresh, or holds the robot (false) and goes back
// to READY. Whoever calls it answers for the cause of the hold being gone. A hold that was requested in RUN and has not
// happened yet happens all the same. A loop that is blocked stays in HOLD.
func (l *Loop) Enable(on bool) {
	if !on {
		l.inputs.generation.Add(1)
	}
	if l.State() != StateRun {
		l.inputs.hold.Store(nil)
	}
	l.inputs.resume.Store(on && l.inputs.block.Load() == nil)
	l.inputs.enabled.Store(on)
}

// RequestHold enters HOLD at once (dead-man released, master lost), waking the loop from its sleep. Only Enable(true)
// leaves it.
func (l *Loop) RequestHold(reason string) {
	l.inputs.resume.Store(false)
	l.inputs.hold.Store(&reason)
	l.inputs.generation.Add(1)
	l.wake()
}

// Block forbids to move for as long as reason is not empty (nobody listens, a part is lost): a loop in RUN holds at
// once, as with RequestHold, and none enters RUN. One that never moved does so when the block ends.
func (l *Loop) Block(reason string) {
	if reason == "" {
		l.inputs.block.Store(nil)
		return
	}
	l.inputs.resume.Store(false)
	l.inputs.block.Store(&reason)
	l.inputs.generation.Add(1)
	l.wake()
}

func (l *Loop) wake() {
	if wake := l.inputs.nudge.Load(); wake != nil && l.State() == StateRun {
		(*wake)()
	}
}

// EStop faults at once, waking the loop from its sleep. Nothing but Reset clears it.
func (l *Loop) EStop(reason string) {
	l.inputs.generation.Add(1)
	l.inputs.stops.Add(1)
	l.inputs.estop.Store(&reason)
	if wake := l.inputs.interrupt.Load(); wake != nil {
		(*wake)()
	}
}

// Stops is how many emergency stops there were; see Reset.
func (l *Loop) Stops() uint64 { return l.inputs.stops.Load() }

// StoppedError means that an emergency stop came after whoever resets looked: it is not cleared.
type StoppedError struct{ Reason string }

// Error implements error.
func (e *StoppedError) Error() string {
	return fmt.Sprintf("loop: not reset: a new emergency stop came (%s); look again", e.Reason)
}

// Reset clears a fault and the emergency stops that were seen, and disarms: back to INIT, ready for Run and Enable. It
// refuses while Run is running, and with a *StoppedError when Stops has grown since seen was taken from it. The
// statistics go on counting.
func (l *Loop) Reset(seen uint64) error {
	if !l.inputs.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.inputs.running.Store(false)
	// An emergency stop counts before it is noted. One that is noted before the count is read is noticed by the count,
	// and one that is noted later by its pointer.
	reason := l.inputs.estop.Load()
	if l.inputs.stops.Load() != seen || !l.inputs.estop.CompareAndSwap(reason, nil) {
		if reason = l.inputs.estop.Load(); reason == nil {
			reason = new(string)
		}
		return &StoppedError{*reason}
	}
	l.Enable(false)
	l.setState(StateInit, nil)
	return nil
}
