package run

import (
	"os"
	"testing"
)

// TestDiscardKeepsWhatARunLeft: only a run without metrics and checkpoints goes, and nothing that others put there.
func TestDiscardKeepsWhatARunLeft(t *testing.T) {
	for name, c := range map[string]struct {
		leave      func(f *Folder)
		metricsToo bool
		gone       bool
	}{
		"nothing":              {func(*Folder) {}, false, true},
		"no line":              {func(f *Folder) { record(t, f, 0) }, false, true},
		"metrics":              {func(f *Folder) { record(t, f, 0, 5) }, false, false},
		"metrics, interrupted": {func(f *Folder) { record(t, f, 0, 5) }, true, true},
		"a checkpoint":         {func(f *Folder) { write(t, f.Checkpoint("state")) }, true, false},
		"a member":             {func(f *Folder) { write(t, f.Path(MemberPrefix+"1")) }, true, false},
	} {
		f := create(t)
		c.leave(f)
		if err := f.Discard(c.metricsToo); err != nil {
			t.Fatal(name, err)
		}
		_, err := os.Stat(f.Dir())
		if os.IsNotExist(err) != c.gone {
			t.Errorf("%s: %v", name, err)
		}
		if c.gone {
			if _, err := Create(f.Dir(), nil); err != nil {
				t.Errorf("%s: the folder is blocked: %v", name, err)
			}
		}
	}
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}
