//go:build mujoco

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestQueueIsOneProcess: a sweep and an evaluation through a queue of their own, with a policy that is a file, give the bytes of
// one process, also the folder's settings and the policies.
func TestQueueIsOneProcess(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	sweep := func(out string, more ...string) string {
		return ok(t, slices.Concat([]string{
			"train", "sweep", "--no-times", "--out", in(out), "--variants", "resip", "--seeds", "1-2", "--steps", "160", "--episodes", "2",
		}, tiny, more)...)
	}
	spread := []string{"--queue", "embedded:" + in("queue")}
	if a, b := sweep("alone"), sweep("spread", spread...); a != b {
		t.Errorf("one process:\n%s\nqueue:\n%s", a, b)
	}
	evaluate := func(csv string, more ...string) {
		ok(t, slices.Concat([]string{
			"eval", "--policy", "base," + in("alone", "resip-1", "checkpoints", "policy.safetensors"), "--episodes", "7", "--csv", in(csv),
		}, tiny, more)...)
	}
	evaluate("alone.csv")
	evaluate("spread.csv", spread...)
	for _, files := range [][2]string{
		{in("alone.csv"), in("spread.csv")},
		{in("alone", "table.txt"), in("spread", "table.txt")},
		{in("alone", "resip-2", "config.yaml"), in("spread", "resip-2", "config.yaml")},
		{in("alone", "resip-2", "checkpoints", "policy.safetensors"), in("spread", "resip-2", "checkpoints", "policy.safetensors")},
	} {
		a, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(files[1]); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s and %s differ, %v", files[0], files[1], err)
		}
	}
	if again := sweep("spread", append(spread, "--seeds", "1-2")...); again != sweep("alone") {
		t.Errorf("again:\n%s", again)
	}
}
