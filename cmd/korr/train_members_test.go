//go:build mujoco

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/residual"
)

// TestMembers: a run of two members is two runs of half the steps and their average, whatever was finished before it was resumed.
func TestMembers(t *testing.T) {
	dir := t.TempDir()
	train := func(out string, args ...string) string {
		t.Helper()
		all := append([]string{"train", "residual", "--method", "resip", "--out", filepath.Join(dir, out)}, args...)
		return strings.TrimSpace(ok(t, append(all, tiny...)...))
	}
	read := func(path string) []byte {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	member := func(name string) string { return filepath.Join(dir, "pair", name, "checkpoints", "policy.safetensors") }
	pair := train("pair", "--steps", "320", "--set", "residual.members=2", "--seed", "7")
	stored := read(pair)
	var ps []*residual.Policy
	for name, seed := range map[string]string{"member-1": "7", "member-2": "1007"} {
		single := train("single-"+seed, "--steps", "160", "--seed", seed)
		if !bytes.Equal(read(single), read(member(name))) {
			t.Errorf("%s is not the run of seed %s", name, seed)
		}
		p, err := residual.Load(single, nil)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	want, err := residual.Average(ps...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := residual.Load(pair, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Meta["environment_steps"] != "320" || got.Actor.Config().Hidden[0] != want.Actor.Config().Hidden[0] {
		t.Errorf("%v, hidden layers %v", got.Meta, got.Actor.Config().Hidden)
	}
	for _, file := range []string{pair, member("member-2")} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	again := strings.TrimSpace(ok(t, "train", "residual", "--resume", "--out", filepath.Join(dir, "pair")))
	if again != pair || !bytes.Equal(read(again), stored) {
		t.Error("the resumed run ends in another policy")
	}
	o := korr(t, "train", "residual", "--algorithm", "ppo", "--set", "residual.members=2", "--out", filepath.Join(dir, "ppo"))
	if o.code != exitUsage || !strings.Contains(o.err, "residual.members") {
		t.Errorf("ppo with members: %+v", o)
	}
}
