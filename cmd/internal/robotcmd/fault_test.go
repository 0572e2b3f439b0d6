package robotcmd

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"korr/ros/names"
)

// TestFlightRecordsAreNeverOverwritten: a name that is taken gets a number, and what nothing was written to goes.
func TestFlightRecordsAreNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fault.jsonl")
	for i, text := range []string{"one", "", "two", "three"} {
		f, done, err := newFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if err := done(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	for name, want := range map[string]string{"fault.jsonl": "one", "fault-2.jsonl": "two", "fault-3.jsonl": "three"} {
		if got, err := os.ReadFile(filepath.Join(filepath.Dir(path), name)); err != nil || string(got) != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 3 {
		t.Errorf("%v", files)
	}
	if _, _, err := newFile(filepath.Join(path, "no", "folder")); err == nil {
		t.Error("a file below a file")
	}
}

// TestFaultNote: a note of a fault is of one node at one master, and lasts until it is removed.
func TestFaultNote(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	note := func(node, link string) faultNote {
		n, err := names.New(node, "http://localhost:11311")
		if err != nil {
			t.Fatal(err)
		}
		f, err := newFaultNote(n, link)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a := note("korr", "http://localhost:11311")
	if a.read() != "" || a.remove() != nil {
		t.Error("a note of nothing")
	}
	if err := a.write(errors.New("emergency stop")); err != nil {
		t.Fatal(err)
	}
	if note("korr", "http://localhost:11311").read() == "" || note("other", "http://localhost:11311").read() != "" ||
		note("korr", "ws://robot:9090").read() != "" {
		t.Error("the note is lost, or another node's")
	}
	if err := a.remove(); err != nil || a.read() != "" {
		t.Errorf("%v %q", err, a.read())
	}
}
