package main

import (
	"reflect"
	"testing"

	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/train/ppo"
)

// TestPPODefaultsAreTheTrainersOwn keeps the two lists of PPO's settings from drifting apart.
func TestPPODefaultsAreTheTrainersOwn(t *testing.T) {
	c, err := settings.Load(configs.Options{Preset: "published", Set: []string{"residual.envs=16", "residual.steps=1120000", "residual.bootstrap_timeouts=true", "residual.checkpoint_every=112000"}})
	if err != nil {
		t.Fatal(err)
	}
	want := ppo.DefaultRun()
	if got := ppoConfig(c, want.Workers); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestEveryPPOSettingReachesTheTrainer sets each number of the section to a value of its own and looks for it.
func TestEveryPPOSettingReachesTheTrainer(t *testing.T) {
	c, err := settings.Load(configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	section := distinct(&c.PPO)
	for i := range section.NumField() {
		if f := section.Field(i); f.Kind() == reflect.Bool {
			f.SetBool(!f.Bool())
		}
	}
	got := reflect.ValueOf(ppoConfig(c, 1))
	for i := range section.NumField() {
		name := section.Type().Field(i).Name
		if target := got.FieldByName(name); !target.IsValid() || !target.Equal(section.Field(i)) {
			t.Errorf("ppo.%s does not reach the trainer's %s", section.Type().Field(i).Tag.Get("yaml"), name)
		}
	}
}

func TestIterationsCoverTheSteps(t *testing.T) {
	for steps, want := range map[int]int{1: 1, 11200: 1, 11201: 2} {
		c, err := settings.Load(configs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.Residual.Steps = steps
		if got := ppoConfig(c, 1).Iterations; got != want {
			t.Errorf("%d steps: %d iterations, want %d", steps, got, want)
		}
	}
}
