//go:build mujoco

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/residual"
)

// TestMembers: a run of two members is two runs of half the steps and their average, whatever was finished before it
// was resumed.
func TestMembers(t *testing.T) {
	dir := t.TempDir()
	train := func(out string, args ...string) string {
		t.Helper()
		all := append([]string{"train", "residual", "--method", "resip", "--out", filepath.Join(dir, out)}, tiny...)
		return strings.TrimSpace(ok(t, append(all, args...)...))
	}
	read := func(path string) []byte {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	load := func(path string) *residual.Policy {
		t.Helper()
		p, err := residual.Load(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	member := func(name string) string { return filepath.Join(dir, "pair", name, "checkpoints", "policy.safetensors") }
	pair := train("pair", "--steps", "320", "--set", "residual.members=2", "--seed", "7")
	stored := read(pair)
	var ps []*residual.Policy
	for i, seed := range []string{"7", "1007"} {
		name := fmt.Sprintf("member-%d", i+1)
		p := load(train("single-"+seed, "--steps", "160", "--seed", seed))
		m := load(member(name))
		p.Meta, m.Meta = nil, nil // the number of workers is in it
		if !bytes.Equal(content(t, p), content(t, m)) {
			t.Errorf("%s is not the run of seed %s", name, seed)
		}
		ps = append(ps, p)
	}
	want, err := residual.Average(ps...)
	if err != nil {
		t.Fatal(err)
	}
	got := load(pair)
	if got.Meta["environment_steps"] != "320" || got.Meta["members"] != "2" {
		t.Errorf("origin %v", got.Meta)
	}
	got.Meta, want.Meta = nil, nil
	if !bytes.Equal(content(t, got), content(t, want)) {
		t.Error("the run's policy is not the average of its members")
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
	longer := strings.TrimSpace(ok(t, "train", "residual", "--resume", "--out", filepath.Join(dir, "pair"), "--set",
		"residual.steps=400"))
	if p := load(longer); p.Meta["environment_steps"] != "400" ||
		load(member("member-1")).Meta["environment_steps"] != "200" {
		t.Errorf("resumed as a longer run it has made %s steps", p.Meta["environment_steps"])
	}
	o := korr(t, "train", "residual", "--algorithm", "ppo", "--set", "residual.members=2", "--out",
		filepath.Join(dir, "ppo"))
	if o.code != cli.ExitUsage || !strings.Contains(o.err, "residual.members") {
		t.Errorf("ppo with members: %+v", o)
	}
}

// content is what a checkpoint of the policy holds.
func content(t *testing.T, p *residual.Policy) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.safetensors")
	if err := p.Save(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
