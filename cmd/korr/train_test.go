package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"korr/cmd/internal/cli"
	"korr/cmd/internal/settings"
	"korr/configs"
	"korr/residual"
	"korr/train/td3"
)

// TestDefaultsAreTheTrainersOwn keeps the two lists of TD3's settings from drifting apart.
func TestDefaultsAreTheTrainersOwn(t *testing.T) {
	c, err := settings.Load(configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := td3.Default()
	want.Method, want.Condition = td3.KORR, residual.Lookahead
	if got := td3Config(c, want.Workers); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestEverySettingReachesTheTrainer sets each number of the section to a value of its own and looks for it.
func TestEverySettingReachesTheTrainer(t *testing.T) {
	c, err := settings.Load(configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	section := distinct(&c.Residual)
	got := reflect.ValueOf(td3Config(c, 1))
	for i := range section.NumField() {
		name := section.Type().Field(i).Name
		target := got.FieldByName(name)
		if kind := section.Field(i).Kind(); kind != reflect.Int && kind != reflect.Float64 || name == "Members" { // of runTrainMembers
			continue
		}
		if !target.IsValid() || !target.Equal(section.Field(i)) {
			t.Errorf("residual.%s does not reach td3.Config.%s", section.Type().Field(i).Tag.Get("yaml"), name)
		}
	}
}

// distinct sets each number of a section to a value of its own.
func distinct(section any) reflect.Value {
	s := reflect.ValueOf(section).Elem()
	for i := range s.NumField() {
		switch f := s.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(int64(1000 + i))
		case reflect.Float64:
			f.SetFloat(1000.5 + float64(i))
		}
	}
	return s
}

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
		{[]string{"train", "base", "--data", filepath.Join(dir, "none")}, cli.ExitFailure, "none"},
		{[]string{"train", "residual", "--method", "magic"}, cli.ExitUsage, "residual.method"},
		{[]string{"train", "residual", "--out", taken}, cli.ExitUsage, "resume that run or choose another folder"},
		{[]string{"train", "residual", "--resume", "--out", dir}, cli.ExitUsage, "no run was started there"},
		{[]string{"train", "residual", "--resume", "--preset", "quick", "--out", taken}, cli.ExitUsage, "leave --config and --preset out"},
	} {
		o := korr(t, c.args...)
		if o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
}
