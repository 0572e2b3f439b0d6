//go:build mujoco

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/train/pipeline"
)

// TestQueueIsOneProcess: a sweep and an evaluation through a queue of their own, with a policy that is a file, give the
// bytes of one process, also the folder's settings and the policies.
func TestQueueIsOneProcess(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	sweep := func(out string, more ...string) string {
		return ok(t, slices.Concat([]string{
			"train", "sweep", "--no-times", "--out", in(out), "--variants", "resip", "--seeds", "1-2", "--steps", "160",
			"--episodes", "2",
		}, tiny, more)...)
	}
	spread := []string{"--queue", "embedded:" + in("queue")}
	if a, b := sweep("alone"), sweep("spread", spread...); a != b {
		t.Errorf("one process:\n%s\nqueue:\n%s", a, b)
	}
	evaluate := func(csv string, more ...string) {
		ok(t, slices.Concat([]string{
			"eval", "--policy", "base," + in("alone", "resip-1", "checkpoints", "policy.safetensors"), "--episodes", "7",
			"--csv", in(csv),
		}, tiny, more)...)
	}
	evaluate("alone.csv")
	evaluate("spread.csv", spread...)
	for _, files := range [][2]string{
		{in("alone.csv"), in("spread.csv")},
		{in("alone", "table.txt"), in("spread", "table.txt")},
		{in("alone", "resip-2", "config.yaml"), in("spread", "resip-2", "config.yaml")},
		{in("alone", "resip-2", "checkpoints", "policy.safetensors"), in("spread", "resip-2", "checkpoints",
			"policy.safetensors")},
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

// TestTrainAllQueued: every stage of korr train all through a queue, in two pieces, comes to the files of one process;
// the settings of the file go with it.
func TestTrainAllQueued(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "settings.yaml")
	if err := os.WriteFile(file, []byte("base:\n  steps: 4\nkoopman:\n  steps: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := func(name string, more ...string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Chdir(filepath.Join(dir, name)) // the files name the folder as it was given
		ok(t, slices.Concat([]string{
			"train", "all", "--task", "lamp", "--config", file, "--out", "made", "--episodes", "7", "--set",
			"eval.randomness=med",
			"--set", "eval.perturb=off", "--set", "residual.steps=160", "--set", "residual.stages=false",
		}, tiny, more)...)
	}
	all("alone")
	all("spread", "--queue", "embedded", "--episodes", "3")
	all("spread", "--queue", "embedded")
	in := func(name, file string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name, "made", file))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, file := range []string{
		"demos/meta/stats.json", "collect.json", "base/config.yaml", "checkpoints/base.safetensors",
		"checkpoints/koopman.safetensors",
		"checkpoints/korr.safetensors", "korr/config.yaml",
	} {
		if !bytes.Equal(in("alone", file), in("spread", file)) {
			t.Errorf("%s differs", file)
		}
	}
	var one, many []pipeline.Played
	if err := errors.Join(
		json.Unmarshal(in("alone", pipeline.EvaluationName), &one),
		json.Unmarshal(in("spread", pipeline.EvaluationName), &many),
	); err != nil || len(one) != 2 || len(many) != 4 || !reflect.DeepEqual(one, many[2:]) { // those of three episodes are kept too
		t.Errorf("played %+v, through a queue %+v, %v", one, many, err)
	}
}

// TestNoPortIsOpen: what can be spread opens no port unless it is told to; with an embedded queue it does, on the
// loopback interface.
func TestNoPortIsOpen(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	listens := func(args ...string) (at []string) {
		t.Helper()
		cmd := exec.Command(self, append(slices.Concat(args, tiny), "--quiet")...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), asKorr+"=1")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for looks := 0; ; looks++ {
			select {
			case err := <-done:
				if err != nil || looks < 5 {
					t.Errorf("%v: %v after %d looks", args, err, looks)
				}
				return at
			case <-time.After(10 * time.Millisecond):
				for _, a := range listening(cmd.Process.Pid) {
					if !slices.Contains(at, a) {
						at = append(at, a)
					}
				}
			}
		}
	}
	eval := []string{"eval", "--policy", "expert", "--task", "lamp", "--episodes", "2", "--perturb", "off"}
	all := []string{
		"--task", "lamp", "--set", "base.steps=4", "--set", "koopman.steps=3", "--set", "residual.steps=160", "--set",
		"residual.stages=false",
		"--set", "eval.randomness=med", "--set", "eval.perturb=off", "--episodes", "1",
	}
	for _, args := range [][]string{
		eval,
		{"train", "sweep", "--out", "sweep", "--variants", "resip", "--seeds", "1", "--steps", "160", "--episodes", "1"},
		append([]string{"train", "all", "--out", "all"}, all...),
		{
			"results", "--out", "results", "--tasks", "lamp", "--bases", "ordinary", "--seeds", "1", "--sensing", "clean",
			"--episodes", "1",
			"--set", "base.steps=4", "--set", "koopman.steps=3", "--set", "residual.steps=160", "--set", "residual.stages=false",
			"--set", "eval.randomness=med", "--set", "eval.perturb=off",
		},
	} {
		if at := listens(args...); len(at) > 0 {
			t.Errorf("%v listens at %v", args, at)
		}
	}
	if at := listens(append(eval, "--queue", "embedded")...); len(at) != 1 || !strings.HasPrefix(at[0], "0100007F:") {
		t.Errorf("an embedded queue listens at %v", at)
	}
}

// listening are the TCP addresses, as the kernel writes them, at which a process waits for connections.
func listening(pid int) (out []string) {
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return nil
	}
	own := map[string]bool{}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			own[to] = true
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			const listen = "0A"
			if f := strings.Fields(line); len(f) > 9 && f[3] == listen && own["socket:["+f[9]+"]"] {
				out = append(out, f[1])
			}
		}
	}
	return out
}
