package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestWriteReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, want := range []string{"a first, longer content", "short", ""} {
		if err := Write(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v; wrote %q", got, err, want)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", info.Mode(), err)
	}
	if names := entries(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
}

// TestFailureLeavesNothing: the target cannot be replaced, as it is a folder with something in it.
func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	if names := entries(t, dir); len(names) != 1 || names[0] != "taken" {
		t.Errorf("the folder holds %q", names)
	}
	if err := Write(filepath.Join(dir, "absent", "a"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder: %v", err)
	}
}

// TestLeftoversGo: what a killed writer left is removed by the next, what is being written stays.
func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, name := range []string{".a.json.tmp-123", ".a.json.tmp-9", ".b.json.tmp-123", "a.json.tmp-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, ".data.partial-5", "meta"), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp, busy, err := TempDir(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, dir), []string{
		".b.json.tmp-123", filepath.Base(tmp), "a.json",
		"a.json.tmp-1",
	}; !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
	Sweep(dir, "")
	if got, want := entries(t, dir), []string{filepath.Base(tmp), "a.json", "a.json.tmp-1"}; !slices.Equal(got, want) {
		t.Errorf("after a sweep it holds %q, want %q", got, want)
	}
	_ = busy.Close()
	Sweep(dir, "data")
	if got, want := entries(t, dir), []string{"a.json", "a.json.tmp-1"}; !slices.Equal(got, want) {
		t.Errorf("at last it holds %q, want %q", got, want)
	}
}

// TestCreateOnce: of many that create a file at the same time one succeeds, and its content is there.
func TestCreateOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = Create(path, []byte{byte(i)}) })
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = i
		case !errors.Is(err, fs.ErrExist):
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if b, err := os.ReadFile(path); err != nil || len(b) != 1 || int(b[0]) != winner {
		t.Errorf("the file holds %v, writer %d succeeded; %v", b, winner, err)
	}
	if names := entries(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
}

// TestManyWriters: writers of one file do not take each other's temporary files for leftovers.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 30 {
				if err := Write(path, []byte("x")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if names := entries(t, dir); len(names) != 1 {
		t.Errorf("the folder holds %q", names)
	}
}
