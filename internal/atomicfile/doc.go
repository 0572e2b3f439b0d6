// Package atomicfile writes files that are complete or not there: into a temporary file of the same folder, synced,
// then renamed. A crash or a power cut leaves the old content or the new, never part of it. A writer holds its
// temporary file by a lock of the system, which ends with the process, so that later writers can tell leftovers from
// work under way and remove them.
package atomicfile

import "errors"

// ErrHeld means that another process, or another part of this one, holds a file or folder.
var ErrHeld = errors.New("in use")
