package cli

import (
	"testing"

	"korr/configs"
)

// TestRepeatNamesEverySetting: a report's command gives the report's numbers, wherever the settings came from.
func TestRepeatNamesEverySetting(t *testing.T) {
	a := &App{Name: "korr", Layers: configs.Options{
		Preset: "quick", File: "it's.yaml", Set: []string{"seed=2", "eval.randomness=[med]"}, Environ: []string{"HOME=/", "KORR_SIM_TASK=lamp"},
	}}
	want := `KORR_SIM_TASK=lamp korr eval --ros --preset quick --config 'it'\''s.yaml' --set seed=2 --set 'eval.randomness=[med]'`
	if got := a.Repeat("eval --ros"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
