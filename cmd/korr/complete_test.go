package main

import (
	"slices"
	"strings"
	"testing"

	"korr/configs"
	"korr/train/lab/settings"
)

// TestChoicesAreWhatIsAccepted: what a shell offers for a key is accepted, and a text that it does not offer is refused
// where the checks name all choices.
func TestChoicesAreWhatIsAccepted(t *testing.T) {
	v, checked := values(), configs.Choices(settings.Defaults())
	lists := map[string]bool{
		"eval.randomness": true, "eval.sensing": true, "eval.physics": true,
		"residual.trackers": true,
	}
	for key, want := range map[string]string{
		"sim.task": "lamp", "sim.randomness": "mixed", "sim.sensing": "T2", "eval.randomness": "high", "eval.perturb": "both",
		"eval.policies": "expert", "base.arch": "carp", "residual.method": "resip", "residual.filter": "kinematic",
		"residual.trackers": "T3", "run.robot": "rosbridge", "run.resume": "false", "--preset": "diffusion",
		"--policy": "korr",
	} {
		if !slices.Contains(v.Of[key], want) {
			t.Errorf("%s: %v lacks %s", key, v.Of[key], want)
		}
	}
	for key, choices := range v.Of {
		if strings.HasPrefix(key, "--") {
			continue
		}
		if !slices.Contains(v.Keys, key) {
			t.Errorf("there is no key %s", key)
		}
		for _, choice := range choices {
			// Settings that only go together are refused for another key.
			_, err := settings.Load(configs.Options{Set: []string{key + "=" + choice}})
			if err != nil && strings.Contains(err.Error(), "must be one of") {
				t.Errorf("%s=%s: %v", key, choice, err)
			}
		}
		if _, err := settings.Load(configs.Options{Set: []string{key + "=nobody"}}); len(checked[key]) > 0 && err == nil {
			t.Errorf("%s=nobody is accepted, and %v are offered", key, choices)
		}
	}
	for key := range lists {
		if choices := v.Of[key]; len(choices) < 2 {
			t.Errorf("%s: a list of %v", key, choices)
		}
	}
	if before := settings.Defaults(); !slices.Equal(before.Eval.Policies, []string{"base", "resip", "korr"}) {
		t.Error("asking for choices changed the defaults")
	}
}
