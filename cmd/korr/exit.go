package main

import (
	"errors"
	"fmt"

	"korr/configs"
	"korr/residual/loop"
	"korr/ros/node"
	"korr/ros/rosbridge"
)

// The exit codes, the same for every verb.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2   // flags, arguments or configuration
	exitGate        = 3   // --min-success, doctor
	exitSafety      = 4   // the control loop stopped the robot
	exitUnreachable = 5   // no robot or no ROS master
	exitInterrupted = 130 // SIGINT or SIGTERM
)

// errInterrupted is the cause of the context that a signal cancelled.
var errInterrupted = errors.New("interrupted")

// codedError is an error that chose its exit code.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

// usageErrorf reports a wrong command line.
func usageErrorf(format string, args ...any) error {
	return &codedError{exitUsage, fmt.Errorf(format, args...)}
}

// gateErrorf reports that the command worked and the result is not good enough.
func gateErrorf(format string, args ...any) error {
	return &codedError{exitGate, fmt.Errorf(format, args...)}
}

// exitCode maps an error to the process's exit code.
func exitCode(err error) int {
	var coded *codedError
	var config *configs.Error
	var noMaster *node.MasterError
	var noBridge *rosbridge.UnreachableError
	var silent *loop.SilenceError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &config):
		return exitUsage
	case errors.As(err, &noMaster), errors.As(err, &noBridge), errors.As(err, &silent):
		return exitUnreachable
	case loop.LastStates(err) != nil:
		return exitSafety
	default:
		return exitFailure
	}
}
