package loop

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrRunning reports a second Run, or a Reset, while the loop is running.
var ErrRunning = errors.New("loop: already running")

// Snapshot is what the loop looked like when something stopped it. Every cause below embeds one.
type Snapshot struct {
	State State         // before the stop
	Tick  uint64        // ticks since Run
	Seq   uint64        // of the newest sample; 0 if none came
	Age   time.Duration // of the newest sample by its stamp
	Last  []Record      // copies of the last ticks, oldest first, at most lastRecords
}

func (s *Snapshot) snapshot() *Snapshot { return s }

// cause is an error that carries a Snapshot.
type cause interface {
	error
	snapshot() *Snapshot
}

// LastStates returns the snapshot inside err, or nil if err holds none.
func LastStates(err error) *Snapshot {
	var c cause
	if errors.As(err, &c) {
		return c.snapshot()
	}
	return nil
}

// StaleError means that the newest sample is too old by its stamp, or no new one came for too long. Holds.
type StaleError struct {
	Snapshot
	Source string        // the oldest message of the sample; "" if it is one message
	Age    time.Duration // the larger of the stamp's age and the time since the source's last message
	MaxAge time.Duration
}

// Error implements error.
func (e *StaleError) Error() string {
	return fmt.Sprintf("loop: %s%d is %v old, %v is too old to move on; check its publisher and the link",
		named(e.Source), e.Seq, e.Age, e.MaxAge)
}

// named begins a sentence about a sample, or about one source of it.
func named(source string) string {
	if source == "" {
		return "observation "
	}
	return source + " of observation "
}

// FutureStampError means that the newest sample is stamped ahead of the loop's clock. Holds.
type FutureStampError struct {
	Snapshot
	Source           string // as of StaleError
	Ahead, Tolerance time.Duration
}

// Error implements error.
func (e *FutureStampError) Error() string {
	return fmt.Sprintf("loop: %s%d is stamped %v in the future, tolerance %v; synchronise the clocks (chrony, ptp)",
		named(e.Source), e.Seq, e.Ahead, e.Tolerance)
}

// MissedDeadlinesError means that too many deadlines in a row were missed. Holds.
type MissedDeadlinesError struct {
	Snapshot
	Missed int           // in a row
	Period time.Duration // that could not be kept
}

// Error implements error.
func (e *MissedDeadlinesError) Error() string {
	return fmt.Sprintf("loop: %d deadlines of %v missed in a row; lower the rate or free the processor",
		e.Missed, e.Period)
}

// HoldRequestError means that RequestHold was called. Holds.
type HoldRequestError struct {
	Snapshot
	Reason string
}

// Error implements error.
func (e *HoldRequestError) Error() string { return "loop: hold requested: " + e.Reason }

// EStopError means that EStop was called. Faults.
type EStopError struct {
	Snapshot
	Reason string
}

// Error implements error.
func (e *EStopError) Error() string { return "loop: emergency stop: " + e.Reason }

// NotFiniteError means that an observation or a command holds NaN or infinity. Faults.
type NotFiniteError struct {
	Snapshot
	What  string // "observation" or "command"
	Index int
	Value float32
}

// Error implements error.
func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("loop: %s[%d] = %g is not finite", e.What, e.Index, e.Value)
}

// ShapeError means that the robot returned an observation of the wrong length. Faults.
type ShapeError struct {
	Snapshot
	Got, Want int
}

// Error implements error.
func (e *ShapeError) Error() string {
	return fmt.Sprintf("loop: observation has %d values, the policy reads %d", e.Got, e.Want)
}

// ReadError means that Robot.Read (or Wait) failed. Faults.
type ReadError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *ReadError) Error() string { return "loop: read the robot: " + e.Err.Error() }

// Unwrap returns the robot's error.
func (e *ReadError) Unwrap() error { return e.Err }

// WriteError means that Robot.Write failed. Faults.
type WriteError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *WriteError) Error() string { return "loop: write to the robot: " + e.Err.Error() }

// Unwrap returns the robot's error.
func (e *WriteError) Unwrap() error { return e.Err }

// HoldError means that Robot.Hold failed, so the robot may still be moving. Faults.
type HoldError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *HoldError) Error() string {
	return "loop: hold the robot (it may still move): " + e.Err.Error()
}

// Unwrap returns the robot's error.
func (e *HoldError) Unwrap() error { return e.Err }

// PolicyError means that Stepper.StepTo failed. Faults.
type PolicyError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *PolicyError) Error() string { return "loop: policy: " + e.Err.Error() }

// Unwrap returns the policy's error.
func (e *PolicyError) Unwrap() error { return e.Err }

// ShieldError means that the measured pose is unusable, so no command could be limited. Faults.
type ShieldError struct {
	Snapshot
	Err error
}

// Error implements error.
func (e *ShieldError) Error() string { return "loop: " + e.Err.Error() }

// Unwrap returns the shield's error.
func (e *ShieldError) Unwrap() error { return e.Err }

// PanicError means that the policy, the robot or a hook panicked. Faults.
type PanicError struct {
	Snapshot
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string {
	return fmt.Sprintf("loop: panic: %v\n%s", e.Value, strings.TrimSpace(string(e.Stack)))
}

// SilenceError means that no usable observation came for longer than Config.Patience. Faults.
type SilenceError struct {
	Snapshot
	Waited time.Duration
}

// Error implements error.
func (e *SilenceError) Error() string {
	return fmt.Sprintf("loop: no usable observation for %v (newest: number %d, age %v); is the robot on and its state "+
		"published?", e.Waited, e.Seq, e.Age)
}

// FaultedError means that Run was called on a loop whose fault nobody reset.
type FaultedError struct{ Cause error }

// Error implements error.
func (e *FaultedError) Error() string { return "loop: in FAULT until Reset: " + e.Cause.Error() }

// Unwrap returns the fault.
func (e *FaultedError) Unwrap() error { return e.Cause }
