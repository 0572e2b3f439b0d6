//go:build mujoco

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/demo"
	"korr/koopman"
	"korr/train/koopmanfit"
	"korr/train/lab"
)

// ok runs a command line that must succeed and returns its standard output.
func ok(t *testing.T, args ...string) string {
	t.Helper()
	o := korr(t, append(args, "--quiet")...)
	if o.code != cli.ExitOK {
		t.Fatalf("%v: code %d\n%s", args, o.code, o.err)
	}
	return o.out
}

// tiny are settings under which nothing is learned and everything runs.
var tiny = []string{
	"--set", "sim.max_steps=30", "--set", "collect.episodes=3", "--set", "collect.only_success=false",
	"--set", "base.hidden=16", "--set", "koopman.hidden=16", "--set", "koopman.latent_dim=96",
	"--set", "koopman.rollouts=2", "--set", "residual.critic_start=64", "--set", "residual.actor_start=96", "--set",
	"residual.envs=4",
	"--set", "residual.batch=8", "--set", "residual.members=1", "--set", "residual.lr_decay=0", "--set",
	"residual.utd=0.125",
}

// TestPipeline goes from demonstrations to the demonstration, as a user does, in a few hundred control steps.
func TestPipeline(t *testing.T) {
	dir := t.TempDir()
	in := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	step := func(args ...string) string { t.Helper(); return ok(t, append(args, tiny...)...) }

	step("collect", "--out", in("demos"))
	var trained lab.Trained
	decodeOne(t, step("train", "base", "--json", "--data", in("demos"), "--out", in("base"), "--steps", "4"), &trained)
	base := trained.Checkpoint
	if trained.Kind != "base" || trained.Steps != 4 || trained.Loss == nil || *trained.Loss <= 0 {
		t.Errorf("%+v", trained)
	}
	var k lab.Predictor
	decodeOne(t, step("train", "koopman", "--json", "--data", in("demos"), "--base", base, "--out", in("koopman"),
		"--steps", "3"), &k)
	for _, on := range koopmanfit.Scorings {
		if n := len(on.Of(k.Scores)); n != 15 {
			t.Errorf("%s: %d scores", on.Caption, n)
		}
	}
	if k.SpectralRadius > 1.0001 || k.Checkpoint != in("koopman", "checkpoints", "koopman.safetensors") {
		t.Errorf("%+v", k)
	}
	policies := map[string]string{}
	for _, method := range []string{"resip", "korr"} {
		out := step("train", "residual", "--method", method, "--data", in("demos"), "--base", base, "--koopman", k.Checkpoint,
			"--out", in(method), "--steps", "160")
		policies[method] = strings.TrimSpace(out)
	}
	again := korr(t, append([]string{"train", "residual", "--resume", "--quiet", "--out", in("korr")}, "--set",
		"residual.steps=200")...)
	if again.code != cli.ExitOK {
		t.Errorf("resume: %+v", again)
	}
	for _, want := range []string{"spectral radius", "actor.0.weight", "base.net.0.weight"} {
		if out := step("inspect", policies["korr"]); !strings.Contains(out, want) {
			t.Errorf("inspect lacks %q:\n%s", want, out)
		}
	}
	t.Run("eval", func(t *testing.T) { testEval(t, dir, base, policies) })
	t.Run("run", func(t *testing.T) { testRun(t, base) })
	t.Run("demo", func(t *testing.T) { testDemo(t, dir, base, policies) })
}

// testEval compares an evaluation in process with the same one over ROS, and looks at the gate.
func testEval(t *testing.T, dir, base string, policies map[string]string) {
	args := append([]string{"eval", "--episodes", "2", "--policy", base + "," + policies["korr"] + ",expert"}, tiny...)
	csv := map[string][]byte{}
	for name, extra := range map[string][]string{"direct": nil, "ros": {"--ros"}} {
		file := filepath.Join(dir, name+".csv")
		var r lab.Evaluated
		decodeOne(t, ok(t, append(append(args, "--json", "--csv", file), extra...)...), &r)
		if r.Schema != "korr.eval/1" || len(r.Results) != 6 || r.Results[1].Policy != "korr" || !r.Results[3].Perturbed ||
			r.Results[0].MeanSteps != 30 {
			t.Errorf("%s: %+v", name, r)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		csv[name] = b
	}
	if !bytes.Equal(csv["direct"], csv["ros"]) {
		t.Errorf("over ROS the episodes differ:\n%s\n%s", csv["direct"], csv["ros"])
	}
	o := korr(t, append(args, "--quiet", "--min-success", "0.5")...)
	if o.code != cli.ExitGate || !strings.Contains(o.err, "is below 0.500") || !strings.Contains(o.out, "korr") {
		t.Errorf("gate: code %d, %s", o.code, o.err)
	}
}

func testDemo(t *testing.T, dir, base string, policies map[string]string) {
	out := filepath.Join(dir, "report")
	args := append([]string{"demo", "--quick", "--json", "--out", out, "--set", "residual.base=" + base}, tiny...)
	args = append(args, "--set", "eval.policies="+strings.Join([]string{base, policies["resip"], policies["korr"]}, ","),
		"--set", "eval.episodes=1", "--set", "koopman.steps=3")
	var r demo.Result
	decodeOne(t, ok(t, args...), &r)
	if r.Schema != "korr.eval/1" || r.Episodes != 3 || r.Frames != 90 || len(r.Results) != 6 || len(r.Comparisons) != 4 ||
		r.LockStep.Steps != 180 || r.RealTime != nil {
		t.Errorf("%+v", r)
	}
	if len(r.Prediction) != 15 || r.Prediction[0] == (koopman.Score{}) || r.Radius > 1.0001 {
		t.Errorf("prediction %+v, radius %v", r.Prediction, r.Radius)
	}
	page, err := os.ReadFile(r.Report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"korr eval --ros --preset quick", "--set eval.episodes=1", "--set koopman.steps=3"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the report's command lacks %q", want)
		}
	}
	pictures := 3 // two figures and a failed episode, unless this machine cannot draw
	if len(r.Notes) > 0 {
		t.Log(r.Notes)
		pictures--
	}
	if got := bytes.Count(page, []byte("<img ")); got != pictures {
		t.Errorf("%d pictures in the report, want %d", got, pictures)
	}
}
