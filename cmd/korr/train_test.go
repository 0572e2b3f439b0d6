package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/train/dataset"
)

func TestTrainRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := runFolder(t, "taken", "loss", 1)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"train", "base"}, cli.ExitUsage, "--data is missing"},
		{[]string{"train", "fly"}, cli.ExitUsage, `no verb "fly"`},
		{[]string{"train", "base", "--data", filepath.Join(dir, "none")}, cli.ExitUsage, "none"},
		{[]string{"train", "residual", "--method", "magic"}, cli.ExitUsage, "residual.method"},
		{[]string{"train", "residual", "--out", taken}, cli.ExitUsage, "resume that run or choose another folder"},
		{[]string{"train", "residual", "--resume", "--out", dir}, cli.ExitUsage, "no run was started there"},
		{
			[]string{"train", "residual", "--resume", "--preset", "quick", "--out", taken},
			cli.ExitUsage,
			"leave --config and --preset out",
		},
	} {
		o := korr(t, c.args...)
		if o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
	run := filepath.Join(dir, "run") // a wrong name leaves no folder in the way of the right one
	o := korr(t, "train", "residual", "--base", "nonesuch", "--out", run)
	if _, err := os.Stat(run); o.code == cli.ExitOK || !strings.Contains(o.err, "nonesuch") || !os.IsNotExist(err) {
		t.Errorf("%+v, the run folder: %v", o, err)
	}
}

// TestTrainAsksWhichFurniture: demonstrations whose task is a sentence, as other software writes it, are refused before
// anything else, with the command that says which furniture they show.
func TestTrainAsksWhichFurniture(t *testing.T) {
	dir := t.TempDir()
	demos, named, said := filepath.Join(dir, "demos"), filepath.Join(dir, "named"), filepath.Join(dir, "said")
	if o := korr(t, "collect", "--episodes", "1", "--out", demos, "--quiet"); o.code != cli.ExitOK {
		t.Fatal(o.err)
	}
	d, err := dataset.Read(demos)
	if err != nil {
		t.Fatal(err)
	}
	d.Info.Task = "Screw the leg into the table top."
	if err := dataset.Write(said, d); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"base", "koopman", "residual", "sweep"} {
		o := korr(t, "train", verb, "--data", said, "--out", filepath.Join(dir, "run"))
		if o.code != cli.ExitUsage || !strings.Contains(o.err, "korr import "+said+" --task NAME --out") {
			t.Errorf("%s: %+v", verb, o)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "run")); !os.IsNotExist(err) {
		t.Errorf("a run folder is left: %v", err)
	}
	if o := korr(t, "import", said, "--task", "one_leg", "--out", named); o.code != cli.ExitOK {
		t.Fatal(o.err)
	}
	o := korr(t, "train", "base", "--data", named, "--steps", "2", "--set", "base.batch=8", "--out", filepath.Join(dir, "run"))
	if o.code != cli.ExitOK {
		t.Errorf("after the command of the hint: %+v", o)
	}
}
