package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CheckOutput looks, before the work begins, at a file that a flag asks to be written at its end: its format by the
// extension (any where none is named), its folder, and whether something can be written there. A file that is there
// already will be replaced. An empty path is no output.
func CheckOutput(flag, path string, extensions ...string) error {
	if path == "" {
		return nil
	}
	if ext := strings.ToLower(filepath.Ext(path)); len(extensions) > 0 && !slices.Contains(extensions, ext) {
		return UsageErrorf("%s %s: its name has to end in %s", flag, path, strings.Join(extensions, " or "))
	}
	dir := filepath.Dir(path)
	switch st, err := os.Stat(path); {
	case err == nil && st.IsDir():
		return UsageErrorf("%s %s: there is a folder of that name: name a file", flag, path)
	case err == nil && !st.Mode().IsRegular():
		return nil // a terminal or a pipe
	}
	switch st, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return UsageErrorf("%s %s: there is no folder %s: make it first, mkdir -p %s", flag, path, dir, dir)
	case err != nil:
		return UsageErrorf("%s %s: %w", flag, path, err)
	case !st.IsDir():
		return UsageErrorf("%s %s: %s is no folder", flag, path, dir)
	}
	return writable(flag, path, dir)
}

// CheckFolder is CheckOutput for a folder that will be made, with those above it.
func CheckFolder(flag, path string) error {
	above := filepath.Clean(path)
	for {
		st, err := os.Stat(above)
		switch {
		case err == nil && !st.IsDir():
			return UsageErrorf("%s %s: %s is a file, not a folder", flag, path, above)
		case err == nil:
			return writable(flag, path, above)
		case !errors.Is(err, fs.ErrNotExist):
			return UsageErrorf("%s %s: %w", flag, path, err)
		}
		above = filepath.Dir(above)
	}
}

// writable tries to write a file in a folder.
func writable(flag, path, dir string) error {
	f, err := os.CreateTemp(dir, ".korr-check-*")
	if err != nil {
		return UsageErrorf("%s %s: nothing can be written in %s: %w", flag, path, dir, reason(err))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// reason is what the system said, without the name of the file that was tried.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
