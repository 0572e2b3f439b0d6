package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Marks in the names of temporary files and folders: ".NAME" + mark + a random number.
const (
	fileMark   = ".tmp-"
	folderMark = ".partial-"
)

// Write stores data at path, readable by everyone, and replaces what is there. The folder must exist. On an error path
// holds what it held, unless only making the rename durable failed; no temporary file stays. The error is of package
// os.
func Write(path string, data []byte) error { return write(path, data, 0o644, os.Rename) }

// WritePrivate is Write for a secret: its owner alone reads it.
func WritePrivate(path string, data []byte) error { return write(path, data, 0o600, os.Rename) }

// Create is Write for a path at which there must be nothing; the error otherwise wraps fs.ErrExist. Of two that create
// the same file at the same time one succeeds.
func Create(path string, data []byte) error {
	return write(path, data, 0o644, func(tmp, path string) error {
		err := os.Link(tmp, path)
		switch {
		case err == nil:
			return os.Remove(tmp)
		case errors.Is(err, fs.ErrExist):
			return err
		}
		if _, err := os.Lstat(path); err == nil { // a file system without links
			return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
		}
		return os.Rename(tmp, path)
	})
}

func write(path string, data []byte, mode fs.FileMode, place func(tmp, path string) error) error {
	dir, name := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	Sweep(dir, name)
	tmp, err := held(func() (*os.File, error) { return os.CreateTemp(dir, "."+name+fileMark+"*") })
	if err != nil {
		return err
	}
	defer tmp.Close() // after the rename, so that nobody takes the file for a leftover
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync())
	if err == nil {
		err = place(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return SyncDir(dir)
}

// TempDir makes a folder in which the content of path is prepared, beside it. It is held until the file is closed,
// which leaves the folder; what a killed process left goes at the next TempDir, Write or Sweep.
func TempDir(path string) (string, *os.File, error) {
	dir, name := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	Sweep(dir, name)
	f, err := held(func() (*os.File, error) {
		tmp, err := os.MkdirTemp(dir, "."+name+folderMark+"*")
		if err != nil {
			return nil, err
		}
		return os.Open(tmp)
	})
	if err != nil {
		return "", nil, err
	}
	return f.Name(), f, nil
}

// held makes a file and holds it. Between the two a sweep may take it for a leftover: then there is another try.
func held(create func() (*os.File, error)) (*os.File, error) {
	for range 100 {
		f, err := create()
		if err != nil {
			return nil, err
		}
		err = Hold(f)
		here, err1 := os.Lstat(f.Name())
		open, err2 := f.Stat()
		if !errors.Is(err, ErrHeld) && err1 == nil && err2 == nil && os.SameFile(here, open) {
			return f, nil
		}
		_ = f.Close()
	}
	return nil, errors.New("temporary files are removed as fast as they are made")
}

// Sweep removes from a folder what killed processes left of files called name; "" stands for every name. What a living
// process still writes stays, and so does everything where the system cannot tell.
func Sweep(dir, name string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		mark := fileMark
		if e.IsDir() {
			mark = folderMark
		}
		base, _, ok := strings.Cut(strings.TrimPrefix(e.Name(), "."), mark)
		if ok && strings.HasPrefix(e.Name(), ".") && (name == "" || base == name) {
			sweep(filepath.Join(dir, e.Name()), e)
		}
	}
}

// sweep removes one leftover unless somebody holds it.
func sweep(path string, e fs.DirEntry) {
	if !e.Type().IsRegular() && !e.IsDir() {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	if Hold(f) == nil {
		_ = os.RemoveAll(path)
	}
}

// SyncDir makes the names in a folder, such as that of a file or folder just renamed, survive a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
