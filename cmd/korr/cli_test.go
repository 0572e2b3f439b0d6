package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/robotcmd"
	"korr/configs"
	"korr/train/lab"
)

// output is what one command line left behind.
type output struct {
	code     int
	out, err string
}

// korr runs one command line in process, with no environment.
func korr(t *testing.T, args ...string) output {
	t.Helper()
	return korrIn(t.Context(), nil, args...)
}

func korrIn(ctx context.Context, environ []string, args ...string) output {
	var out, errOut bytes.Buffer
	code := cli.Execute(ctx, "korr", newRoot, args, &cli.Streams{
		In: strings.NewReader(""), Out: &out, Err: &errOut,
		Environ: environ,
	})
	return output{code, out.String(), errOut.String()}
}

// decodeOne reads text as exactly one JSON value with no fields but v's.
func decodeOne(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if d.More() {
		t.Fatalf("more than one JSON value: %q", text)
	}
}

func TestUsageErrorsExitWithTwo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("eval:\n  episode: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{
		`no verb "fly"`:               {"fly"},
		`takes no argument "now"`:     {"doctor", "now"},
		"doctor has no flag --fast":   {"doctor", "--fast"},
		"--calm needs --take-over":    {"collect", "--calm"},
		"--data is missing":           {"collect", "--take-over", "base"},
		`--seed "x": want a whole`:    {"doctor", "--seed", "x"},
		"eval.episode: no such key":   {"doctor", "--config", file},
		"--set: a.b: no such key":     {"doctor", "--set", "a.b=1"},
		"preset huge: does not exist": {"doctor", "--preset", "huge"},
		"--log-level loud: use debug": {"doctor", "--log-level", "loud"},
		"--log-format xml: use text":  {"doctor", "--log-format", "xml"},
		"sim.randomness: is \"wild\"": {"doctor", "--set", "sim.randomness=wild"},
		"residual.alpha: is 7, must":  {"doctor", "--set", "residual.alpha=7"},
		"--seed \"\": want a whole":   {"doctor", "--seed="},
	}
	for want, args := range cases {
		o := korr(t, args...)
		if o.code != cli.ExitUsage || !strings.Contains(o.err, want) || o.out != "" {
			t.Errorf("%v: code %d, stderr %q lacks %q, stdout %q", args, o.code, o.err, want, o.out)
		}
	}
	o := korrIn(t.Context(), []string{"KORR_SEED=-3"}, "doctor")
	if o.code != cli.ExitUsage || !strings.Contains(o.err, "KORR_SEED") {
		t.Errorf("bad variable: %+v", o)
	}
}

func TestHelpListsEveryVerb(t *testing.T) {
	o := korr(t)
	if o.code != cli.ExitOK {
		t.Fatalf("code %d", o.code)
	}
	for _, v := range verbs(&app{App: new(cli.App), Lab: new(lab.Lab)}) {
		if !strings.Contains(o.out, "\n  "+v.Name()+" ") || v.Short == "" {
			t.Errorf("the help lacks %s", v.Name())
		}
	}
}

func TestExitCodes(t *testing.T) {
	cases := []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{cli.UsageErrorf("x"), 2},
		{fmt.Errorf("deep: %w", &configs.Error{Path: "a"}), 2},
		{cli.GateErrorf("x"), 3},
		{errors.Join(cli.ErrInterrupted, cli.GateErrorf("x")), 130},
	}
	for _, c := range cases {
		if got := cli.ExitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

func TestErrorsAsJSONLogs(t *testing.T) {
	o := korr(t, "doctor", "--log-format", "json", "--set", "seed=-1")
	if o.code != cli.ExitUsage {
		t.Fatalf("%+v", o)
	}
	var line struct {
		Time, Level, Msg string
		ExitCode         int `json:"exit_code"`
	}
	decodeOne(t, o.err, &line)
	if line.Level != "ERROR" || line.ExitCode != cli.ExitUsage || !strings.Contains(line.Msg, "seed") {
		t.Errorf("%+v", line)
	}
}

func TestDoctorChecksThisMachine(t *testing.T) {
	o := korr(t, "doctor", "--json")
	var r robotcmd.DoctorResult
	decodeOne(t, o.out, &r)
	if (o.code == cli.ExitOK) != r.OK || (o.code != cli.ExitOK && o.code != cli.ExitGate) {
		t.Errorf("code %d, ok %v", o.code, r.OK)
	}
	if len(r.Checks) != 8 {
		t.Errorf("%d checks, want 8", len(r.Checks))
	}
	for _, c := range r.Checks {
		if c.Detail == "" || (!c.OK && c.Fix == "") {
			t.Errorf("%+v says too little", c)
		}
	}
	if left, _ := filepath.Glob(".korr-doctor-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInterruptExitsWith130(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cli.ErrInterrupted)
	if o := korrIn(ctx, nil, "doctor"); o.code != cli.ExitInterrupted || o.err != "korr: interrupted\n" {
		t.Errorf("%+v", o)
	}
}
