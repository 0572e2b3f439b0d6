package pipeline

import (
	"strings"
	"testing"

	"korr/sim"
	"korr/train/dataset"
)

// recorded are n demonstrations of so many frames, in which nothing moves.
func recorded(t *testing.T, name string, n, frames int) (*sim.Task, []dataset.Episode) {
	t.Helper()
	task, err := sim.TaskByName(name)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]dataset.Episode, n)
	for i := range out {
		e := &out[i]
		e.State, e.Reward = make([]float32, frames*sim.StateDim), make([]float32, frames)
		e.Env = make([]float32, frames*(task.ObsDim()-sim.StateDim))
		for k := sim.PoseDim - 1; k < len(e.Env); k += sim.PoseDim {
			e.Env[k] = 1
		}
		e.Success = true
	}
	return task, out
}

func TestSettingsFollowFromDemonstrations(t *testing.T) {
	for _, c := range []struct {
		task      string
		n, frames int
		spent     Spent
		budget    int
		want      Derived
	}{
		// As on one_leg: 4000 steps of 50 short demonstrations, 30 passes over more; episodes of 1.3 times the longest.
		{"one_leg", 50, 340, Spent{17_000, 0}, 300_000, Derived{
			BaseSteps: 4000, MaxSteps: 450, FailAfter: 700,
			Steps: 283_000, Members: 2,
		}},
		{"one_leg", 200, 340, Spent{68_000, 60}, 300_000, Derived{
			BaseSteps: 7968, MaxSteps: 450, FailAfter: 700,
			Steps: 205_000, Members: 1,
		}},
		{"lamp", 100, 600, Spent{66_000, 60}, 300_000, Derived{
			BaseSteps: 7031, MaxSteps: 800, Stages: true, Steps: 186_000,
			Members: 1,
		}},
		{"round_table", 10, 900, Spent{9000, 0}, 100_000, Derived{
			BaseSteps: 4000, MaxSteps: 1000, Stages: true,
			Steps: 91_000, Members: 1,
		}},
	} {
		task, demos := recorded(t, c.task, c.n, c.frames)
		got, err := Derive(task, demos, c.budget, c.spent)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v; want %+v", c.task, got, err, c.want)
		}
	}
}

func TestDeriveRefuses(t *testing.T) {
	task, demos := recorded(t, "lamp", 100, 900)
	if _, err := Derive(task, demos, 120_000, Spent{Demonstrations: 90_000}); err == nil ||
		!strings.Contains(err.Error(), "fewer demonstrations") {
		t.Errorf("a budget that demonstrations eat: %v", err)
	}
	if _, err := Derive(task, nil, 120_000, Spent{}); err == nil {
		t.Error("settings came from no demonstrations")
	}
}
