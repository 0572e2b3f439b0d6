package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"korr/configs"
)

// run executes a command line of a command that has only the verb version.
func run(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Execute(t.Context(), "tool", func(a *App) *cobra.Command {
		a.Fill = func(configs.Options) error { return nil }
		v := NewVersion(a, func() []Physics { return []Physics{{"chair", "engine-1"}} })
		v.Flags().Duration("wait", 0, "")
		v.Flags().Int("times", 1, "")
		return a.NewRoot("", "a tool", Group("All:", v)...)
	}, args, &Streams{Out: &o, Err: &e})
	return code, o.String(), e.String()
}

func TestVersionNamesThePhysics(t *testing.T) {
	_, out, _ := run(t, "version", "--json")
	var v VersionResult
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Name != "tool" || len(v.Physics) != 1 ||
		v.Physics[0].Fingerprint != "engine-1" {
		t.Errorf("%v: %s", err, out)
	}
	if _, out, _ = run(t, "version"); !strings.Contains(out, "chair") || !strings.Contains(out, "commit") {
		t.Errorf("%s", out)
	}
}

// TestWrongFlagsAreExplained: in the words of the command line, with the flag that was meant and the verb to ask.
func TestWrongFlagsAreExplained(t *testing.T) {
	for want, args := range map[string][]string{
		"--times \"x\": want a whole number\nSee tool version --help.":   {"version", "--times", "x"},
		"--times \"99999999999999999999\": is too large":                 {"version", "--times", "99999999999999999999"},
		"--wait \"3\": want a time with its unit":                        {"version", "--wait", "3"},
		"--seed \"-1\": want a whole number, 0 or more":                  {"version", "--seed=-1"},
		"tool version has no flag --time; did you mean --times?":         {"version", "--time=3"},
		"tool version has no flag --wiat; did you mean --wait?":          {"version", "--wiat=3s"},
		"tool version has no flag --zzz\n":                               {"version", "--zzz"},
		"tool version has no flag -z\n":                                  {"version", "-z"},
		"tool has no verb \"verison\"; did you mean version?\nSee tool ": {"verison"},
		"tool has no verb \"fly\"\n":                                     {"fly"},
	} {
		code, _, err := run(t, args...)
		if code != ExitUsage || !strings.Contains(err, want) || strings.Contains(err, "strconv") {
			t.Errorf("%q: code %d, %q lacks %q", args, code, err, want)
		}
	}
}
