package setting_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"korr/internal/setting"
)

type robot struct {
	Delay int `yaml:"delay"`
}

type common struct {
	Gamma float64 `yaml:"gamma"`
}

type config struct {
	common `yaml:",inline"`

	Robot  robot  `yaml:"robot"`
	Seed   uint64 // given by the caller
	Name   string `yaml:"name"`
	Hidden []int  `yaml:"-"`
}

func TestFieldsAreThoseWithAKey(t *testing.T) {
	c := &config{}
	var keys []string
	for _, f := range setting.Fields(c) {
		keys = append(keys, f.Key)
		if f.Key == "robot.delay" {
			f.Value.SetInt(7)
		}
	}
	if want := []string{"gamma", "robot.delay", "name"}; !slices.Equal(keys, want) {
		t.Errorf("keys %v, want %v", keys, want)
	}
	if c.Robot.Delay != 7 || setting.Values(*c)["robot.delay"] != 7 {
		t.Errorf("a value set by reflection does not arrive: %+v", c)
	}
}

func TestTwoFieldsWithOneKeyAreAMistake(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "gamma") {
			t.Errorf("recovered %v", r)
		}
	}()
	setting.Fields(struct {
		common `yaml:",inline"`
		Gamma  int `yaml:"gamma"`
	}{})
}

// TestRulesRefuse: every rule refuses what is out of its bounds, and what is no finite number.
func TestRulesRefuse(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for i, r := range []setting.Rule{
		setting.AtLeast("k", 1, 2), setting.AtLeast("k", nan, 2), setting.AtLeast("k", inf, 2),
		setting.Above("k", 0.0, 0), setting.Above("k", nan, 0), setting.Above("k", inf, 0),
		setting.Within("k", 3, 1, 2), setting.Within("k", nan, 1, 2),
		setting.AboveUpTo("k", 0.0, 0, 1), setting.AboveUpTo("k", nan, 0, 1), setting.AboveUpTo("k", 1.1, 0, 1),
		setting.FromBelow("k", 1.0, 0, 1), setting.FromBelow("k", nan, 0, 1),
		setting.OneOf("k", "c", "a", "b"), setting.Given("k", "", "a task"),
		setting.Counts("k", nil, 9), setting.Counts("k", []int{0}, 9), setting.Counts("k", []int{10}, 9),
		setting.Range("k", [2]float64{2, 1}, 0, 9), setting.Range("k", [2]float64{nan, 1}, 0, 9),
		setting.Range("k", [2]float64{1, 10}, 0, 9),
	} {
		var e *setting.Error
		if err := setting.Check("p", r); !errors.As(err, &e) || e.Key != "k" || e.Problem == "" {
			t.Errorf("rule %d does not refuse: %v", i, err)
		}
	}
	if err := setting.Check("p", setting.AtLeast("k", 2, 2), setting.Range("k", [2]float64{1, 1}, 0, 9),
		setting.Widths("k", []int{3})); err != nil {
		t.Error(err)
	}
	err := setting.Below("robot", setting.Check("p", setting.AtLeast("delay", -1, 0)))
	if want := "robot.delay is -1, must be at least 0"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
