//go:build mujoco

package mujoco

import (
	"testing"

	"korr/sim/expert"
)

// TestTape: the bare engine loop passes through the environment's states, with and without the broad phase in front of
// it, and the times of the phases add up.
func TestTape(t *testing.T) {
	e := open(t, Config{Task: "one_leg", Perturb: 1})
	x, err := expert.New(e.task, expert.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	tape, err := Record(e, x, 3)
	if err != nil {
		t.Fatal(err)
	}
	if len(tape.windows) < 2 || tape.Steps() < 200 {
		t.Fatalf("%d windows of %d steps: the thread is not in them", len(tape.windows), tape.Steps())
	}
	for name, run := range map[string]func() error{
		"environment":    func() error { _, err := tape.Step(); return err },
		"engine":         func() error { _, err := tape.Bare(false); return err },
		"engine, culled": func() error { _, err := tape.Bare(true); return err },
	} {
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if far := tape.drift(); far > 1e-6 {
			t.Errorf("%s ended %g m away from the episode", name, far)
		}
	}
	p, err := tape.Phases()
	if err != nil {
		t.Fatal(err)
	}
	if p.Engine <= 0 || p.Control <= 0 || p.Go <= 0 || p.Collision+p.Solver >= p.Engine || p.Engine >= p.Total {
		t.Errorf("phases %+v", p)
	}
	if m := e.Memory(); m < 1e5 || m > 1e7 {
		t.Errorf("%d bytes for an environment", m)
	}
}
