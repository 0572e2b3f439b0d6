//go:build mujoco

package gallery

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestOpen: an episode plays with the name and the length that it was recorded with; a number that is not there is
// refused.
func TestOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demos")
	record(t, dir, 3, 5)
	g, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.Open(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	about := p.About()
	if about.Task != "one_leg" || about.Policy != "demos, episode 1" || about.MaxSteps != 4 {
		t.Errorf("%+v", about)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := g.Open(0, 2); err == nil || !strings.Contains(err.Error(), "2 episodes") {
		t.Errorf("an episode that is not there: %v", err)
	}
}
