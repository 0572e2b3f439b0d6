//go:build mujoco

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"korr/train/pipeline"
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

// TestTrainAllQueued: every stage of korr train all through a queue, in two pieces, comes to the files of one process; the settings
// of the file go with it.
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
			"train", "all", "--task", "lamp", "--config", file, "--out", "made", "--episodes", "7", "--set", "eval.randomness=med",
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
		"demos/meta/stats.json", "collect.json", "base/config.yaml", "checkpoints/base.safetensors", "checkpoints/koopman.safetensors",
		"checkpoints/korr.safetensors", "korr/config.yaml",
	} {
		if !bytes.Equal(in("alone", file), in("spread", file)) {
			t.Errorf("%s differs", file)
		}
	}
	var one, many []pipeline.Played
	if err := errors.Join(
		json.Unmarshal(in("alone", pipeline.EvaluationName), &one), json.Unmarshal(in("spread", pipeline.EvaluationName), &many),
	); err != nil || len(one) != 2 || len(many) != 4 || !reflect.DeepEqual(one, many[2:]) { // those of three episodes are kept too
		t.Errorf("played %+v, through a queue %+v, %v", one, many, err)
	}
}
