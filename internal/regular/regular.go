package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Sizes for Read, in bytes.
const (
	Text    = 64 << 20 // settings, descriptions, metadata: anything that people write or read
	Records = 1 << 30  // metrics and other lines that a program wrote
)

// ErrKind marks a path at which there is something else than a regular file.
var ErrKind = errors.New("not a regular file")

// ErrSize marks a file that is larger than its kind may be.
var ErrSize = errors.New("too large")

// Open opens a regular file for reading and tells its size in bytes. The error wraps ErrKind or is of package os; it
// names the path.
func Open(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe without a writer would wait here
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is %w: %s", path, ErrKind, kind(info.Mode()))
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// Read returns the content of a regular file of at most limit bytes. The error wraps ErrKind or ErrSize or is of
// package os.
func Read(path string, limit int64) ([]byte, error) {
	f, size, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("%s is %w: %d bytes, at most %d are read", path, ErrSize, size, limit)
	}
	b := make([]byte, 0, size+1)
	r := io.LimitReader(f, limit+1) // it may grow meanwhile, and some systems' files do not tell their size
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return nil, fmt.Errorf("%s is %w: more than %d bytes", path, ErrSize, limit)
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return nil, err
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something special"
}
