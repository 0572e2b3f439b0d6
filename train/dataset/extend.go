package dataset

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"korr/internal/atomicfile"
)

// Extend goes on with the dataset at dir, which was written under the same info. What it holds is copied into a new
// dataset, whose Writer takes more and which takes the old one's place when it is closed; until then dir stays as it
// is.
func Extend(dir string, info Info) (*Writer, *Dataset, error) {
	d, err := Read(dir)
	if err != nil {
		return nil, nil, err
	}
	if have := d.Info; have.Task != info.Task || have.Robot != info.Robot || have.FPS != info.FPS ||
		!slices.Equal(have.PartNames, info.PartNames) {
		return nil, nil, fmt.Errorf("dataset %s: is of %s on %s at %g Hz with parts %v, not of %s on %s at %g Hz with "+
			"parts %v: choose another path",
			dir, have.Task, have.Robot, have.FPS, have.PartNames, info.Task, info.Robot, info.FPS, info.PartNames)
	}
	w, err := create(dir, info)
	if err != nil {
		return nil, nil, err
	}
	w.replaces = true
	for i := range d.Episodes {
		if err := w.Append(&d.Episodes[i]); err != nil {
			return nil, nil, errors.Join(err, w.Abort())
		}
	}
	return w, d, nil
}

// takePlace puts the finished folder at its destination, in the place of the dataset that it extends. There is no
// moment at which neither the old nor the new one is there under a name that says so.
func (w *Writer) takePlace() error {
	dir := filepath.Clean(w.dir)
	old := filepath.Join(filepath.Dir(dir), "."+filepath.Base(dir)+".before")
	if w.replaces {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
		if err := os.Rename(dir, old); err != nil {
			return err
		}
	}
	if err := os.Rename(w.tmp, dir); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(dir)); err != nil || !w.replaces {
		return err
	}
	return os.RemoveAll(old)
}
