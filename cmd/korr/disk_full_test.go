//go:build mujoco && linux

package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"korr/cmd/internal/cli"
	"korr/ros/bag"
)

// mountSmall mounts an empty file system of a size; it needs the rights of an administrator.
func mountSmall(dir string, bytes int) error {
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
}

func unmount(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
		t.Error(err)
	}
}

// TestDiskFullWhileRecording: a file system without room for the second half of a recording.
func TestDiskFullWhileRecording(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir, 256<<10); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() { unmount(t, dir) })
	path := filepath.Join(dir, "e.bag")
	o := korr(t, "sim", "--policy", "expert", "--episodes", "4", "--json", "--record", path)
	var r simResult
	if err := json.Unmarshal([]byte(o.out), &r); err != nil || len(r.Episodes) != 4 || !r.Episodes[3].Success {
		t.Errorf("the episodes suffered: %v, %s", err, o.out)
	}
	if o.code != cli.ExitFailure || !strings.Contains(o.err, "no space left on device") ||
		!strings.Contains(o.err, path+".active") {
		t.Errorf("code %d, %s", o.code, o.err)
	}
	rd, err := bag.Open(path+".active", bag.Options{Recover: true})
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	n := 0
	for range rd.Messages() {
		n++
	}
	if n == 0 {
		t.Error("nothing can be recovered")
	}
}
