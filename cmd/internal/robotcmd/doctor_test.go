package robotcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
)

// doctorWith runs doctor on given checks.
func doctorWith(t *testing.T, jsonOut, robot bool, list ...Check) (code int, text string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &App{App: &cli.App{Streams: &cli.Streams{Out: &out, Err: &errOut}, JSON: jsonOut}}
	err = runDoctor(t.Context(), &doctorOptions{App: a, robot: robot, checks: list})
	return cli.ExitCode(err), out.String(), err
}

func found(ok bool, detail, fix string) func(context.Context) Finding {
	return func(context.Context) Finding { return Finding{ok, detail, fix} }
}

func TestDoctorTellsWhatToDo(t *testing.T) {
	good := Check{"simulator", true, false, found(true, "runs", "not shown")}
	slow := Check{"linear algebra", false, true, found(false, "slow", "install something")}
	gone := Check{"network", true, true, found(false, "no socket", "open one")}

	code, text, err := doctorWith(t, false, false, good, slow, gone)
	want := "" +
		"check           state    found\n" +
		"──────────────────────────────────\n" +
		"simulator       ok       runs\n" +
		"linear algebra  advice   slow\n" +
		"network         MISSING  no socket\n" +
		"\nlinear algebra: install something\n" +
		"\nnetwork: open one\n"
	if text != want || code != cli.ExitGate || !strings.Contains(err.Error(), "network") {
		t.Errorf("code %d, %v, got\n%s\nwant\n%s", code, err, text, want)
	}
	if code, _, _ := doctorWith(t, false, false, good, slow); code != cli.ExitOK {
		t.Errorf("advice alone: code %d", code)
	}
	if _, text, _ := doctorWith(t, false, true, good, slow); strings.Contains(text, "simulator") {
		t.Errorf("--robot shows the simulator:\n%s", text)
	}
	_, text, _ = doctorWith(t, true, false, good, gone)
	var r DoctorResult
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if want := (DoctorResult{"korr.doctor/1", false, []CheckResult{
		{"simulator", true, true, "runs", ""},
		{"network", true, false, "no socket", "open one"},
	}}); !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v", r)
	}
}
