package xmlrpc

import (
	"errors"
	"fmt"
)

// Limits on what is accepted. A robot description of several megabytes travels through setParam.
const (
	MaxBytes  = 16 << 20 // of one document
	maxDepth  = 64       // of nested arrays and structs
	maxValues = 1 << 18  // in one document
)

// ErrMalformed marks a document that is not XML-RPC, or one beyond the limits.
var ErrMalformed = errors.New("malformed XML-RPC")

// Fault is the error response of a peer.
type Fault struct {
	Code    int
	Message string
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("XML-RPC fault %d: %s", f.Code, f.Message) }

// Call is a decoded method call. Parameters and results are bool, int, float64, string, []byte, time.Time, nil,
// []any or map[string]any.
type Call struct {
	Method string
	Params []any
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
