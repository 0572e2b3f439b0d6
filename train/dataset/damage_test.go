package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files lists the files of a dataset, relative.
func files(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	if err != nil || len(out) != 6 {
		t.Fatalf("files %v, %v", out, err)
	}
	return out
}

// TestNoChangedByteIsAccepted changes bytes, one at a time, all over every file, and cuts every file at many lengths:
// each time Read refuses, and names the file.
func TestNoChangedByteIsAccepted(t *testing.T) {
	dir := write(t, testDataset(5, 4))
	for _, name := range files(t, dir) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		stride := max(1, len(b)/150)
		for i := 0; i < len(b); i += 1 + (i*7+3)%(2*stride) {
			flipped := slices.Clone(b)
			flipped[i] ^= 1 << (i % 8)
			refused(t, dir, path, flipped, i)
			refused(t, dir, path, b[:i], i)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(dir); err != nil {
		t.Errorf("restored: %v", err)
	}
}

// refused reads the dataset with other content in one of its files.
func refused(t *testing.T, dir, path string, b []byte, at int) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Read(dir)
	var fe *FormatError
	if !errors.As(err, &fe) || d != nil {
		t.Fatalf("%s damaged at byte %d: %v", path, at, err)
	}
	if !strings.Contains(err.Error(), dir) {
		t.Fatalf("%s damaged at byte %d: the error names no file: %v", path, at, err)
	}
}

// TestDamageIsLocated: the place is a range of bytes, and for a page of numbers the episode's row group too.
func TestDamageIsLocated(t *testing.T) {
	dir := write(t, testDataset(500, 500, 500))
	path := filepath.Join(dir, dataPath)
	b, err := os.ReadFile(path)
	if err != nil || len(b) < 3*checksumBlock {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	at := len(b) / 2
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Read(dir)
	for _, want := range []string{path, "row group 1", fmt.Sprintf("bytes %d to ", at/checksumBlock*checksumBlock)} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if err := os.WriteFile(path, b[:at], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := verifyChecksums(dir); err == nil || !strings.Contains(err.Error(), "truncated: it ends at byte ") {
		t.Errorf("truncated: %v", err)
	}
}

// TestChangedOnPurpose: without checksums a dataset is judged by what it says, as one of other software is.
func TestChangedOnPurpose(t *testing.T) {
	dir := write(t, testDataset(5, 4))
	edit(t, filepath.Join(dir, infoPath), replace(`"robot_type": "franka_panda"`, `"robot_type": "franka_hand1"`))
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), checksumsPath) {
		t.Fatalf("another robot: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, checksumsPath)); err != nil {
		t.Fatal(err)
	}
	if d, err := Read(dir); err != nil || d.Info.Robot != "franka_hand1" {
		t.Errorf("%+v, %v", d, err)
	}
}
