package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
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
