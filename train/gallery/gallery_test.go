package gallery

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/sim"
	"korr/train/dataset"
)

// record leaves a dataset of short episodes of one_leg at dir.
func record(t *testing.T, dir string, lengths ...int) {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	d := &dataset.Dataset{Info: dataset.Info{Task: task.Name, Robot: "franka_panda", FPS: 10, PartNames: task.PartNames()}}
	for _, n := range lengths {
		e := dataset.Episode{Reward: make([]float32, n)}
		for t := range n {
			state := make([]float32, sim.StateDim)
			state[0], state[3], state[7] = 0.4+0.001*float32(t), 1, 1
			e.State = append(e.State, state...)
			for range d.Info.PartNames {
				e.Env = append(e.Env, 0.1, 0.1, 0, 0, 0, 0, 1)
			}
			e.Action = append(e.Action, 0.4, 0, 0.1, 1, 0, 0, 0, 1, 0, -1)
		}
		e.Executed = e.Action
		d.Episodes = append(d.Episodes, e)
	}
	if err := dataset.Write(dir, d); err != nil {
		t.Fatal(err)
	}
}

// TestFind: a dataset is found by its folder, by a file in it and by a folder up to three levels above it.
func TestFind(t *testing.T) {
	root := t.TempDir()
	record(t, filepath.Join(root, "near"), 3, 5)
	record(t, filepath.Join(root, "a", "b", "far"), 4)
	record(t, filepath.Join(root, "a", "b", "c", "farther"), 4)
	for _, c := range []struct {
		path string
		want []string // name and number of episodes
	}{
		{"", []string{"far 1", "near 2"}},
		{"near", []string{"near 2"}},
		{"near/meta/info.json", []string{"near 2"}},
		{"a/b/c", []string{"farther 1"}},
	} {
		g, err := Find(filepath.Join(root, c.path))
		if err != nil {
			t.Errorf("%q: %v", c.path, err)
			continue
		}
		var got []string
		for _, r := range g.Recordings() {
			got = append(got, fmt.Sprintf("%s %d", r.Name, r.Episodes))
		}
		if slices.Sort(got); !slices.Equal(got, c.want) || len(g.Dirs) != len(got) {
			t.Errorf("%q: %q in %q, want %q", c.path, got, g.Dirs, c.want)
		}
	}
}

// TestFindRefuses: what holds no dataset, belongs to none, cannot be read or holds a damaged one.
func TestFindRefuses(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "notes.txt")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(root, "damaged")
	record(t, damaged, 3)
	if err := os.WriteFile(filepath.Join(damaged, "meta", "info.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(root, "none"): "no such file", file: "belongs to no LeRobot dataset",
		t.TempDir(): "holds no LeRobot dataset", damaged: "info.json",
	} {
		if _, err := Find(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// TestListIsBounded: a folder of very many datasets is listed up to the bound.
func TestListIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("copies 201 datasets")
	}
	root := t.TempDir()
	record(t, filepath.Join(root, "0"), 1)
	for i := range maxRecordings {
		if err := os.CopyFS(filepath.Join(root, fmt.Sprint(i+1)), os.DirFS(filepath.Join(root, "0"))); err != nil {
			t.Fatal(err)
		}
	}
	g, err := Find(root)
	if err != nil || len(g.Recordings()) != maxRecordings {
		t.Errorf("%d recordings, %v", len(g.Recordings()), err)
	}
}
