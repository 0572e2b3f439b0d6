package cli

import (
	"errors"
	"fmt"

	"korr/configs"
	"korr/configs/checkpoint"
	"korr/internal/usage"
	"korr/residual/loop"
	"korr/ros/node"
	"korr/ros/rosbridge"
)

// The exit codes, the same for every verb.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2   // flags, arguments or configuration
	ExitGate        = 3   // --min-success, doctor
	ExitSafety      = 4   // the control loop stopped the robot
	ExitUnreachable = 5   // no robot or no ROS master
	ExitInterrupted = 130 // SIGINT or SIGTERM
)

// ErrInterrupted is the cause of the context that a signal cancelled.
var ErrInterrupted = errors.New("interrupted")

// codedError is an error that chose its exit code.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// Usage gives err the exit code of a wrong command line or setting.
func Usage(err error) error { return usage.Wrap(err) }

// Unreachable gives err the exit code of a robot that does not answer.
func Unreachable(err error) error { return &codedError{ExitUnreachable, err} }

// UsageErrorf reports a wrong command line.
func UsageErrorf(format string, args ...any) error {
	return usage.Errorf(format, args...)
}

// GateErrorf reports that the command worked and the result is not good enough.
func GateErrorf(format string, args ...any) error {
	return &codedError{ExitGate, fmt.Errorf(format, args...)}
}

// ExitCode maps an error to the process's exit code.
func ExitCode(err error) int {
	var coded *codedError
	var config *configs.Error
	var wrong *usage.Error
	var noMaster *node.MasterError
	var noBridge *rosbridge.UnreachableError
	var noServer *checkpoint.UnreachableError
	var silent *loop.SilenceError
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrInterrupted):
		return ExitInterrupted
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &config), errors.As(err, &wrong):
		return ExitUsage
	case errors.As(err, &noMaster), errors.As(err, &noBridge), errors.As(err, &silent), errors.As(err, &noServer):
		return ExitUnreachable
	case loop.LastStates(err) != nil:
		return ExitSafety
	default:
		return ExitFailure
	}
}
