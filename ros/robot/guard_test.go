package robot

import (
	"testing"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/names"
)

// supervised notes what the guard tells the loop.
type supervised struct {
	blocked string
	enabled bool
}

func (s *supervised) EStop(string)        {}
func (s *supervised) RequestHold(string)  {}
func (s *supervised) Block(reason string) { s.blocked = reason }
func (s *supervised) Enable(on bool)      { s.enabled = on }
func (s *supervised) Stops() uint64       { return 0 }
func (s *supervised) Status() loop.Status { return loop.Status{State: loop.StateHold} }

// TestWhatHoldsRefusesToEnable: whatever forbids to move refuses ~enable for as long as it lasts, and grants it
// afterwards.
func TestWhatHoldsRefusesToEnable(t *testing.T) {
	n, err := names.New("korr", "")
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(&Config{Names: n, Deadman: true})
	s := &supervised{}
	g.attach(s)
	g.touch()
	if s.blocked == "" {
		t.Error("the arm may move before anybody listens to it")
	}
	g.set(noListener, "")
	asked := func(what string, granted bool) {
		t.Helper()
		s.enabled = false
		r, _ := g.enable(&msgs.SetBoolReq{Data: true})
		if r.Success != granted || s.enabled != granted || !granted && r.Message == "" {
			t.Errorf("%s: granted %v, enabled %v, %q", what, r.Success, s.enabled, r.Message)
		}
	}
	asked("as it should be", true)
	for c := range conditions {
		g.set(c, "because")
		asked("a condition", false)
		if s.blocked == "" {
			t.Errorf("condition %d does not block the loop", c)
		}
		g.set(c, "")
		asked("the condition is gone", true)
	}
	mode := func(m uint8) { g.mode(&msgs.FrankaState{RobotMode: m}) }
	for _, f := range []struct {
		name         string
		begin, cease func()
	}{ // in this order: a panel with a name makes a release without one say nothing
		{"the master is lost", func() { g.master(false) }, func() { g.master(true) }},
		{"~estop", func() { g.button(true) }, func() { g.button(false) }},
		{
			"~estop of one of two panels", func() { g.panel("/a", true); g.panel("/b", false) },
			func() { g.panel("/a", false) },
		},
		{"a reflex", func() { mode(msgs.RobotModeReflex) }, func() { mode(msgs.RobotModeMove) }},
		{"the user's stop", func() { mode(msgs.RobotModeUserStopped) }, func() { mode(msgs.RobotModeMove) }},
		{"a silent dead-man", func() { g.mu.Lock(); g.alive, g.lost = time.Time{}, true; g.mu.Unlock() }, g.touch},
	} {
		f.begin()
		asked(f.name, false)
		f.cease()
		asked(f.name+": over", true)
	}
}
