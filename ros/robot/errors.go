package robot

import (
	"errors"
	"fmt"
	"strings"
)

// ErrClosed means that the robot was closed.
var ErrClosed = errors.New("robot: closed")

// ErrNoPose means that Hold has no measured pose to hold.
var ErrNoPose = errors.New("robot: the measured pose is not finite; use the emergency stop")

// PartsError means that the tracker does not report the parts that the policy was trained on.
type PartsError struct{ Want, Got []string }

// Error implements error.
func (e *PartsError) Error() string {
	return fmt.Sprintf("robot: the part tracker reports %s, the policy needs %s; check the task, or remap %s",
		strings.Join(e.Got, ","), strings.Join(e.Want, ","), "/furniture/parts_poses")
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
