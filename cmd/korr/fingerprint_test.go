//go:build mujoco

package main

import (
	"path/filepath"
	"strings"
	"testing"

	"korr/basepolicy"
	"korr/cmd/internal/cli"
	"korr/internal/seed"
	"korr/sim"
	"korr/sim/mujoco"
	"korr/train/lab"
)

// policyFrom writes an untrained base policy for one_leg whose checkpoint names this simulator.
func policyFrom(t *testing.T, name, simulator string) string {
	t.Helper()
	task, err := sim.TaskByName("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	unit := func(dim int) *basepolicy.Normalizer {
		n := &basepolicy.Normalizer{Min: make([]float32, dim), Max: make([]float32, dim)}
		for i := range dim {
			n.Min[i], n.Max[i] = -1, 1
		}
		return n
	}
	cfg := basepolicy.MLPConfig{ObsDim: task.ObsDim(), ActDim: sim.ActDim, Horizon: 8, Hidden: []int{8}}
	m := basepolicy.NewMLP(cfg, unit(cfg.ObsDim), unit(cfg.ActDim), seed.Stream(1, "test", 0))
	m.Origin = basepolicy.Origin{Task: task.Name, Simulator: simulator}
	path := filepath.Join(t.TempDir(), name+".safetensors")
	if err := basepolicy.Save(path, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOtherSimulator: eval, sim and run say when a checkpoint was trained in another simulator, and only then.
func TestOtherSimulator(t *testing.T) {
	build, err := mujoco.Fingerprint("one_leg")
	if err != nil {
		t.Fatal(err)
	}
	old := build[:len(build)-1] + "x"
	paths := map[string]string{}
	for name, simulator := range map[string]string{
		"same": build, "other": old, "mixed": build + ", " + old,
		"silent": "",
	} {
		paths[name] = policyFrom(t, name, simulator)
	}
	const notice = "was trained in another simulator"
	short := []string{"--set", "sim.max_steps=3", "--episodes", "1"}
	for name, path := range paths {
		differs := name == "other" || name == "mixed"
		o := korr(t, append([]string{"eval", "--json", "--quiet", "--perturb", "off", "--policy", path + ",expert"},
			short...)...)
		if o.code != cli.ExitOK || strings.Contains(o.err, notice) != differs {
			t.Fatalf("eval, %s: code %d, notice wanted %t:\n%s", name, o.code, differs, o.err)
		}
		var r lab.Evaluated
		decodeOne(t, o.out, &r)
		if r.Schema != "korr.eval/1" || r.Simulator != build || len(r.Results) != 2 || len(r.Policies) != 2 {
			t.Fatalf("eval, %s: %+v", name, r)
		}
		if p := r.Policies[0]; p.Name != name || p.Differs != differs || (p.Fingerprint == "") != (name == "silent") {
			t.Errorf("eval, %s: %+v", name, p)
		}
		if p := r.Policies[1]; p.Name != lab.Expert || p.Fingerprint != "" || p.Differs {
			t.Errorf("eval, %s: %+v", name, p)
		}
		o = korr(t, append([]string{"sim", "--policy", path}, short...)...)
		if o.code != cli.ExitOK || strings.Contains(o.err, notice) != differs {
			t.Errorf("sim, %s: code %d, notice wanted %t:\n%s", name, o.code, differs, o.err)
		}
	}
	environ := []string{"ROS_MASTER_URI=http://" + freeAddress(t), "ROS_IP=127.0.0.1"}
	stop := serveSim(t, environ, "--lock-step")
	defer stop()
	for name, differs := range map[string]bool{"same": false, "other": true} {
		o := korrIn(t.Context(), environ, "run", "--policy", paths[name], "--lock-step", "--episodes", "1", "--set",
			"sim.max_steps=3")
		if o.code != cli.ExitOK || strings.Contains(o.err, notice) != differs {
			t.Errorf("run, %s: code %d, notice wanted %t:\n%s", name, o.code, differs, o.err)
		}
	}
}
