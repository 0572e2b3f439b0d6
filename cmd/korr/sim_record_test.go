//go:build mujoco

package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/layout"
	"korr/sim"
	"korr/train/collect"
	"korr/train/dataset"
)

func readDataset(t *testing.T, dir string) *dataset.Dataset {
	t.Helper()
	d, err := dataset.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// sameEpisodes compares demonstrations taken from a bag with those recorded directly: observations bit for bit, actions
// but for the rounding of a rotation that became a quaternion and for the gripper, which is told to close or to open.
func sameEpisodes(t *testing.T, got, want *dataset.Dataset) {
	t.Helper()
	if len(got.Episodes) != len(want.Episodes) || got.Info.Task != want.Info.Task || got.Info.FPS != want.Info.FPS ||
		!slices.Equal(got.Info.PartNames, want.Info.PartNames) {
		t.Fatalf("%d episodes of %+v, want %d of %+v", len(got.Episodes), got.Info, len(want.Episodes), want.Info)
	}
	var worst float64
	for i := range want.Episodes {
		g, w := &got.Episodes[i], &want.Episodes[i]
		if g.Seed != w.Seed || g.Success != w.Success || g.Randomness != w.Randomness || g.Perturb != w.Perturb ||
			g.Simulator != w.Simulator || g.Len() != w.Len() {
			t.Fatalf("episode %d: seed %d, %v, %s, %g, %s, %d frames; want %d, %v, %s, %g, %s, %d", i, g.Seed, g.Success,
				g.Randomness, g.Perturb, g.Simulator, g.Len(),
				w.Seed, w.Success, w.Randomness, w.Perturb, w.Simulator, w.Len())
		}
		if !slices.Equal(g.State, w.State) || !slices.Equal(g.Env, w.Env) || !slices.Equal(g.Reward, w.Reward) {
			t.Errorf("episode %d: observations or rewards differ", i)
		}
		for k := range w.Action {
			if k%sim.ActDim == layout.Gripper { // recorded as a goal when it closes or opens
				if v := w.Action[k]; math.Abs(float64(v)) > sim.GripperDeadBand && v*g.Action[k] <= 0 {
					t.Errorf("episode %d: the gripper is told %g, want %g", i, g.Action[k], v)
				}
				continue
			}
			worst = max(worst, math.Abs(float64(g.Action[k]-w.Action[k])))
		}
	}
	if worst > 1e-6 {
		t.Errorf("actions differ by %g", worst)
	}
}

// TestRecordAndCollect records the expert into a dataset and into a bag at once; demonstrations collected from the bag
// are those of the dataset, and a base policy trains on them.
func TestRecordAndCollect(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	ok(t, "sim", "--policy", "expert", "--episodes", "2", "--perturb", "0.3", "--record", in("direct"), "--record",
		in("e.bag"))
	var r collect.Result
	decodeOne(t, ok(t, "collect", "--json", "--from-bag", in("e.bag"), "--out", in("bag")), &r)
	if r.Episodes != 2 || r.Successes != 2 || r.Attempts != 2 {
		t.Errorf("%+v", r)
	}
	want := readDataset(t, in("direct"))
	sameEpisodes(t, readDataset(t, in("bag")), want)

	// By the task's own rule, as for a recording in which nobody says how it went.
	ok(t, "collect", "--from-bag", in("e.bag"), "--out", in("judged"), "--judge")
	sameEpisodes(t, readDataset(t, in("judged")), want)

	// From an MCAP file, and of a policy, whose rotations are none before the simulator makes them so.
	ok(t, "sim", "--policy", "korr", "--perturb", "1", "--record", in("policy"), "--record", in("e.mcap"))
	ok(t, "collect", "--from-bag", in("e.mcap"), "--out", in("mcap"))
	sameEpisodes(t, readDataset(t, in("mcap")), readDataset(t, in("policy")))

	// Two bags, the second as a further argument.
	ok(t, "collect", "--from-bag", in("e.bag"), in("e.bag"), "--out", in("twice"))
	if n := len(readDataset(t, in("twice")).Episodes); n != 4 {
		t.Errorf("%d episodes of two bags", n)
	}
	out := ok(t, "train", "base", "--data", in("bag"), "--out", in("base"), "--steps", "4", "--set", "base.hidden=16")
	if !strings.Contains(out, "base.safetensors") {
		t.Errorf("training printed %q", out)
	}
}

// TestCollectRefuses: damaged, unsuitable or missing recordings leave no dataset behind.
func TestCollectRefuses(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "e.bag")
	ok(t, "sim", "--policy", "expert", "--episodes", "2", "--set", "sim.max_steps=40", "--record", good)
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := slices.Clone(b)
	flipped[bytes.Index(b, []byte("compression=lz4"))+200] ^= 1
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"flipped", []string{write("flipped.bag", flipped)}, cli.ExitFailure, "flipped.bag: byte "},
		{"truncated", []string{write("cut.bag", b[:len(b)-100])}, cli.ExitFailure, "--recover"},
		{"no bag", []string{write("text.bag", []byte("hello"))}, cli.ExitFailure, "not a ROS bag"},
		{"absent", []string{filepath.Join(dir, "absent.bag")}, cli.ExitFailure, "absent.bag"},
		{"another task", []string{good, "--task", "lamp"}, cli.ExitFailure, "--task"},
		{
			"missing topic",
			[]string{good, "--topic", "command=/nothing"},
			cli.ExitFailure,
			"/nothing (--topic command=...); the bag has",
		},
		{"bad remapping", []string{good, "--topic", "x=/y"}, cli.ExitUsage, "part_names"},
		{"failed episodes", []string{good}, cli.ExitFailure, "no demonstration to keep: 2 episodes in 1 bags, 0 successful"},
		{"contradiction", []string{good, "--judge", "--assume-success"}, cli.ExitUsage, "exclude"},
	} {
		out := filepath.Join(dir, "out")
		o := korr(t, append([]string{"collect", "--quiet", "--out", out, "--from-bag"}, tc.args...)...)
		if o.code != tc.code || !strings.Contains(o.err, tc.want) {
			t.Errorf("%s: code %d, %s; want %d and %q", tc.name, o.code, o.err, tc.code, tc.want)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*out*")); len(left) != 0 {
			t.Errorf("%s left %v", tc.name, left)
		}
	}
	// What --recover finds of a truncated bag is used.
	out := filepath.Join(dir, "recovered")
	ok(t, "collect", "--from-bag", filepath.Join(dir, "cut.bag"), "--recover", "--assume-success", "--out", out)
	if n := len(readDataset(t, out).Episodes); n != 2 {
		t.Errorf("recovered %d episodes", n)
	}
}

// TestRecordRefuses: what cannot be recorded is said before anything runs, and a disk that fills ends the recording
// alone.
func TestRecordRefuses(t *testing.T) {
	dir := t.TempDir()
	bagFile := filepath.Join(dir, "e.bag")
	for _, to := range [][]string{{bagFile, filepath.Join(dir, "f.bag")}, {filepath.Join(dir, "a"), filepath.Join(dir,
		"b")}} {
		o := korr(t, "sim", "--record", to[0], "--record", to[1])
		if left, _ := os.ReadDir(dir); o.code != cli.ExitUsage || len(left) != 0 {
			t.Errorf("%v: %+v, left %v", to, o, left)
		}
	}
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	if err := os.Symlink("/dev/full", bagFile+".active"); err != nil {
		t.Fatal(err)
	}
	o := korr(t, "sim", "--policy", "expert", "--json", "--set", "sim.max_steps=20", "--record", bagFile)
	if o.code != cli.ExitFailure || !strings.Contains(o.err, "no space left on device") {
		t.Errorf("%+v", o)
	}
}
