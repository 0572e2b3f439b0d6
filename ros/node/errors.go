package node

import (
	"errors"
	"fmt"
)

var (
	// ErrReplaced: another node registered under this node's name, and the master told this one to stop.
	ErrReplaced = errors.New("another node took this node's name; start it with a different __name:=")
	// ErrShutdown: this node was told to stop (rosnode kill, or the master).
	ErrShutdown = errors.New("the node was told to shut down")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the node is closed")
)

// MasterError says that the master could not be reached.
type MasterError struct {
	URI string
	Err error
}

// Error implements error.
func (e *MasterError) Error() string {
	return fmt.Sprintf("no ROS master at %s: %v; start one (roscore, or korr sim --ros --master) or set ROS_MASTER_URI",
		e.URI, e.Err)
}

// Unwrap returns the cause.
func (e *MasterError) Unwrap() error { return e.Err }
