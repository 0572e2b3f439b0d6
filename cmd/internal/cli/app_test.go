package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"korr/configs"
)

// TestRepeatNamesEverySetting: a report's command gives the report's numbers, wherever the settings came from.
func TestRepeatNamesEverySetting(t *testing.T) {
	a := &App{Name: "korr", Layers: configs.Options{
		Preset: "quick", File: "it's.yaml", Set: []string{"seed=2", "eval.randomness=[med]"},
		Environ: []string{"HOME=/", "KORR_SIM_TASK=lamp"},
	}}
	want := `KORR_SIM_TASK=lamp korr eval --ros --preset quick --config 'it'\''s.yaml' --set seed=2 --set 'eval.randomness=[med]'`
	if got := a.Repeat("eval --ros"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestValuesAreCompleted: by the key that a flag sets or by its name, of a list the last element, of --set the key and
// then its value.
func TestValuesAreCompleted(t *testing.T) {
	for line, want := range map[string]string{
		"play --task ":               "lamp one_leg",
		"play --levels ":             "low med",
		"play --levels low,":         "low,low low,med",
		"play --policy ":             "base",
		"play --set ":                "sim.levels= sim.task=",
		"play --set sim.task":        "sim.levels= sim.task=",
		"play --set sim.task=":       "sim.task=lamp sim.task=one_leg",
		"play --set sim.levels=low,": "sim.levels=low,low sim.levels=low,med",
		"play --set sim.other=":      "",
		"play --preset ":             strings.Join(configs.Presets(), " "),
		"play --log-format ":         "text json",
	} {
		newRoot := func(a *App) *cobra.Command {
			a.Fill = func(configs.Options) error { return nil }
			a.Values = func() Values {
				v := ValuesOf(&struct{}{}, map[string][]string{
					"sim.task": {"lamp", "one_leg"}, "sim.levels": {"low", "med"},
					"--policy": {"base"},
				})
				v.Keys = []string{"sim.levels", "sim.task"}
				return v
			}
			play := &cobra.Command{Use: "play", RunE: func(*cobra.Command, []string) error { return nil }}
			play.Flags().String("task", "", "")
			play.Flags().StringSlice("levels", nil, "")
			play.Flags().String("policy", "", "")
			SetKey(play.Flags(), "task", "sim.task")
			SetKey(play.Flags(), "levels", "sim.levels")
			return a.NewRoot("", "", play)
		}
		var out bytes.Buffer
		words := strings.Split(line, " ")
		s := &Streams{Out: &out, Err: io.Discard}
		if code := Execute(t.Context(), "korr", newRoot, append([]string{"__completeNoDesc"}, words...), s); code != ExitOK {
			t.Fatalf("%s: code %d", line, code)
		}
		got := strings.Fields(out.String())
		if got := strings.Join(got[:len(got)-1], " "); got != want { // the last word is the directive
			t.Errorf("%s: got %q, want %q", line, got, want)
		}
	}
}
