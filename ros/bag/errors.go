package bag

import (
	"errors"
	"fmt"
)

var (
	// ErrUnclosed marks a bag without an index: its recording is still going on, or was interrupted.
	ErrUnclosed = errors.New("the bag was never closed and has no index")
	// ErrTruncated marks a bag that ends inside a record.
	ErrTruncated = errors.New("truncated")
	// ErrClosed is the error of a Writer after Close or Abort.
	ErrClosed = errors.New("the bag is closed")
)

// FormatError says where a bag is damaged or of another kind.
type FormatError struct {
	Path   string
	Offset int64 // byte in the file; inside a compressed chunk, that of the chunk
	Err    error // what is wrong there
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("bag %s: byte %d: %v", e.Path, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }
