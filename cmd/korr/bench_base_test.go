//go:build mujoco

package main

import (
	"os"
	"path/filepath"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/bench/samplers"
)

// compareCaches calibrates a diffusion policy, lets it act with that, and compares samplers, caches and borders on it.
func compareCaches(t *testing.T, dir, base, demos string) {
	t.Helper()
	cached, picture := filepath.Join(dir, "cached.safetensors"), filepath.Join(dir, "bench.svg")
	ok(t, append([]string{
		"train", "cache", "--policy", base, "--out", cached, "--data", demos, "--runs", "2", "--cache",
		"hyca:n=2",
	}, tiny...)...)
	ok(t, append([]string{"eval", "--policy", cached, "--episodes", "1", "--perturb", "off"}, tiny...)...)
	var report samplers.Report
	decodeOne(t, ok(t, append([]string{
		"bench", "base", "--policy", base, "--data", demos, "--chunks", "2", "--sampler", "ddim:steps=6,warm=none",
		"--sampler", "dpm++:steps=3,warm=none",
		"--cache", "reuse:n=3,w=1", "--cache", "hyca:n=2", "--lead", "2", "--inpaint", "soft,prefix", "--ensemble", "0.1",
		"--episodes", "1",
		"--set", "base.execute=4", "--plot", picture, "--json",
	}, tiny...)...), &report)
	want := []float64{6, 3, 6, 6, 6, 2, 4}
	if len(report.Results) != len(want) {
		t.Fatalf("%d settings, want %d", len(report.Results), len(want))
	}
	for i, calls := range want {
		r := report.Results[i]
		if e := r.Episodes; r.Calls != calls || e == nil || e.Calls != calls || e.N != 1 || r.Reference != (i == 0) ||
			(r.Difference == nil) != (i == 0) || len(r.Dimensions) != 10 {
			t.Errorf("%s: %+v, want %g calls", r.Setting, r, calls)
		}
	}
	if r := report.Results[0]; r.Error != 0 || r.Episodes.Jump == 0 || r.Episodes.Step == 0 {
		t.Errorf("the reference: %+v, %+v", r, r.Episodes)
	}
	if soft, none := report.Results[2].Episodes.Jump, report.Results[3].Episodes.Jump; soft >= none {
		t.Errorf("jumps of %g with soft in-painting, %g with the committed prefix alone", soft, none)
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
	if o := korr(t, append([]string{"bench", "base", "--policy", base, "--data", demos, "--lead", "9", "--quiet"},
		tiny...)...); o.code != cli.ExitUsage {
		t.Errorf("a lead beyond the chunk: %+v", o)
	}
}
