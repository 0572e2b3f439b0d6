package main

import (
	"slices"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
)

// TestCompletion: what the shell's script asks for after TAB.
func TestCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"sim --task l":                          "lamp",
		"sim --policy ":                         "expert",
		"run --policy ":                         "korr",
		"eval --policy base,":                   "base,resip",
		"collect --take-over ":                  "resip",
		"train base --preset ":                  "carp",
		"eval --randomness low,":                "low,high",
		"train residual --set residual.me":      "residual.method=",
		"train residual --set residual.method=": "residual.method=resip",
		"eval --set eval.sensing=clean,":        "eval.sensing=clean,T2",
		"sim serve --action-form delta":         "delta-quat",
		"train all --methods ":                  "resip",
		"run --robot ":                          "rosbridge",
		"import --task ":                        "round_table",
		"train sweep --variants resip,":         "resip,korr",
		"results --sensing ":                    "T3",
		"launch kubernetes --log-format ":       "json",
	} {
		o := korr(t, append([]string{"__completeNoDesc"}, strings.Split(line, " ")...)...)
		if got := strings.Fields(o.out); o.code != cli.ExitOK || !slices.Contains(got, want) {
			t.Errorf("korr %s: code %d, %v, want %s", line, o.code, got, want)
		}
	}
}
