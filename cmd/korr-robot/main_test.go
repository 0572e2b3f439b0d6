package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/internal/setting"
	"korr/train/lab/settings"
)

func run(t *testing.T, args ...string) (code int, out, complaint string) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Execute(t.Context(), "korr-robot", newRoot, args, &cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// TestSettingsAreKorrs: the same keys mean the same, with the same defaults, in both commands.
func TestSettingsAreKorrs(t *testing.T) {
	all := setting.Values(settings.Defaults())
	mine := setting.Values(defaults())
	for key, value := range mine {
		if want, ok := all[key]; !ok || !reflect.DeepEqual(value, want) {
			t.Errorf("%s is %v, in korr %v", key, value, want)
		}
	}
	for key := range all {
		if _, ok := mine[key]; !ok && strings.HasPrefix(key, "run.") {
			t.Errorf("korr-robot lacks %s", key)
		}
	}
}

func TestVerbs(t *testing.T) {
	code, out, _ := run(t)
	for _, verb := range []string{"run", "inspect", "doctor"} {
		if code != cli.ExitOK || !strings.Contains(out, "\n  "+verb+" ") {
			t.Errorf("code %d, the help lacks %s:\n%s", code, verb, out)
		}
	}
	if code, _, e := run(t, "train"); code != cli.ExitUsage || !strings.HasPrefix(e, "korr-robot: ") {
		t.Errorf("a verb of korr: code %d, %q", code, e)
	}
	if code, _, e := run(t, "doctor", "--set", "residual.alpha=1"); code != cli.ExitUsage ||
		!strings.Contains(e, "no such key") {
		t.Errorf("a setting of korr: code %d, %q", code, e)
	}
	if _, out, _ := run(t, "run", "--help"); !strings.Contains(out, "  korr-robot run --yes") {
		t.Errorf("the examples are another command's:\n%s", out)
	}
	if code, _, e := run(t, "run", "--quiet"); code != cli.ExitUsage || !strings.Contains(e, "no terminal to ask") {
		t.Errorf("unasked: code %d, %q", code, e)
	}
}

func TestInspect(t *testing.T) {
	if code, out, e := run(t, "inspect", "korr"); code != cli.ExitOK || !strings.Contains(out, "Koopman model") {
		t.Errorf("shipped weights: code %d, %q, %q", code, out, e)
	}
	dataset := t.TempDir()
	if err := os.Mkdir(filepath.Join(dataset, "meta"), 0o755); err != nil {
		t.Fatal(err)
	}
	if code, _, e := run(t, "inspect", dataset); code != cli.ExitUsage || !strings.Contains(e, "use korr inspect") {
		t.Errorf("a dataset: code %d, %q", code, e)
	}
}
