package loop

import (
	"context"
	"errors"
	"fmt"

	"korr/basepolicy"
)

// LateError means that the next chunk of actions was not planned in time and the old one is used up. Holds.
type LateError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *LateError) Error() string {
	return fmt.Sprintf("loop: %v; plan farther ahead, or free the processor", e.Err)
}

// Unwrap returns the policy's error.
func (e *LateError) Unwrap() error { return e.Err }

// prepare reports whether the stepper can act on the newest sample.
func (l *Loop) prepare() (bool, error) {
	if !l.preparing {
		l.stepper.Replan()
		l.preparing = true
	}
	if l.cfg.LockStep {
		return true, nil
	}
	ready, err := l.stepper.Prepare(l.sample.Obs)
	if err != nil {
		return false, &PolicyError{Err: err}
	}
	return ready, nil
}

// refused turns an error of the stepper into a hold, when it only needs time, or a fault.
func (l *Loop) refused(ctx context.Context, err error) error {
	if l.cfg.LockStep || !errors.Is(err, basepolicy.ErrLate) {
		return &PolicyError{Err: err}
	}
	l.outputs.late.Add(1)
	if fault := l.enterHold(ctx, &LateError{Err: err}); fault != nil {
		return fault
	}
	l.mayResume = l.cfg.Resume
	return nil
}
