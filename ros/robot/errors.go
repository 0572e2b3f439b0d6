package robot

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed means that the robot was closed.
var ErrClosed = errors.New("robot: closed")

// BeliefError means that a message tells what cannot be: it was refused, and the arm stops.
type BeliefError struct {
	Topic string
	Err   error // usually a *plausible.Error
}

// Error implements error.
func (e *BeliefError) Error() string {
	return fmt.Sprintf("robot: %s: %v; check who publishes it, then reset the fault", e.Topic, e.Err)
}

// Unwrap returns what is wrong.
func (e *BeliefError) Unwrap() error { return e.Err }

// PartsError means that the tracker does not report the parts that the policy was trained on.
type PartsError struct{ Want, Got []string }

// Error implements error.
func (e *PartsError) Error() string {
	return fmt.Sprintf("robot: the part tracker reports %s, the policy needs %s; check the task, or remap %s",
		strings.Join(e.Got, ","), strings.Join(e.Want, ","), "/furniture/parts_poses")
}

// OrderError means that the part tracker changed the order of its parts while it was listened to.
type OrderError struct{ Before, Now string }

// Error implements error.
func (e *OrderError) Error() string {
	return fmt.Sprintf("robot: the part tracker changed its order from %s to %s; reset the fault once its poses follow "+
		"the new one", e.Before, e.Now)
}

// SwapError means that parts changed places between two messages: the part tracker confuses them.
type SwapError struct{ Part string } // the first of them

// Error implements error.
func (e *SwapError) Error() string {
	return fmt.Sprintf("robot: part %s and others changed places at once: the tracker confuses them; set it right, then "+
		"reset the fault", e.Part)
}

// ShapeError means that a message does not hold what its topic promises.
type ShapeError struct {
	Topic     string
	Got, Want int
}

// Error implements error.
func (e *ShapeError) Error() string {
	return fmt.Sprintf("robot: %s carries %d values, want %d", e.Topic, e.Got, e.Want)
}
