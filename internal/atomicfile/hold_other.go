//go:build !unix

package atomicfile

import (
	"errors"
	"os"
)

// Hold locks nothing here: the error says so.
func Hold(*os.File) error { return errors.ErrUnsupported }
