package dataset

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestExtendedIsAsWrittenAtOnce: a dataset that is written in two goes is, byte for byte, the one that is written in
// one.
func TestExtendedIsAsWrittenAtOnce(t *testing.T) {
	parent := t.TempDir()
	episodes := []*Episode{testEpisode(testInfo, 5, 1), testEpisode(testInfo, 7, 2), testEpisode(testInfo, 3, 3)}
	write := func(w *Writer, err error, es ...*Episode) {
		t.Helper()
		for _, e := range es {
			if err == nil {
				err = w.Append(e)
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	once, twice := filepath.Join(parent, "once"), filepath.Join(parent, "twice")
	w, err := Create(once, testInfo)
	write(w, err, episodes...)
	w, err = Create(twice, testInfo)
	write(w, err, episodes[:2]...)
	w, have, err := Extend(twice, testInfo)
	if err != nil || len(have.Episodes) != 2 {
		t.Fatalf("%v, %+v", err, have)
	}
	if d, err := Read(twice); err != nil || len(d.Episodes) != 2 {
		t.Fatalf("meanwhile: %v", err)
	}
	write(w, nil, episodes[2])
	if a, b := tree(t, once), tree(t, twice); !reflect.DeepEqual(a, b) {
		t.Errorf("the folders differ")
	}
	left, err := os.ReadDir(parent)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestExtendRefusesOtherSettings: and leaves the dataset as it was.
func TestExtendRefusesOtherSettings(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	w, err := Create(dir, testInfo)
	if err == nil {
		err = w.Append(testEpisode(testInfo, 4, 1))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	other := testInfo
	other.FPS *= 2
	if _, _, err := Extend(dir, other); err == nil {
		t.Error("extended at another rate")
	}
	w, _, err = Extend(dir, testInfo)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if d, err := Read(dir); err != nil || len(d.Episodes) != 1 {
		t.Errorf("after an aborted extension: %v", err)
	}
}

// tree is the content of a folder's files by name.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		out[rel] = string(b)
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("%v, %d files", err, len(out))
	}
	return out
}
