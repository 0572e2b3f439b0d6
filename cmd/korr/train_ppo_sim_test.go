//go:build mujoco

package main

import (
	"path/filepath"
	"testing"

	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/train/lab"
)

// TestTrainPPO trains from the shipped base and Koopman model through the command line.
func TestTrainPPO(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	o := korr(t, "train", "residual", "--algorithm", "ppo", "--steps", "30", "--out", out, "--json", "--quiet",
		"--set", "residual.envs=2", "--set", "residual.critic_only=false", "--set", "residual.focus=false", "--set",
		"residual.members=1", "--set", "ppo.num_steps=15", "--set", "ppo.update_epochs=2")
	var r lab.Trained
	if o.code == cli.ExitOK {
		decodeOne(t, o.out, &r)
	}
	if o.code != cli.ExitOK || r.Kind != "korr" || r.Steps != 30 {
		t.Fatalf("%+v", o)
	}
	p, err := residual.Load(r.Checkpoint, nil)
	if err != nil || p.Squash != residual.Linear || p.Meta["trainer"] != "ppo" {
		t.Errorf("%v, %+v", err, p)
	}
	if o := korr(t, "train", "residual", "--algorithm", "ppo", "--resume", "--out", out); o.code != cli.ExitUsage {
		t.Errorf("%+v", o)
	}
}
