package loop

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"korr/residual/shield"
)

// TestNothingIsWrittenLate: a step that takes too long, or in which something forbids to move, writes nothing and
// holds.
func TestNothingIsWrittenLate(t *testing.T) {
	for name, c := range map[string]struct {
		during func(g *rig)
		cause  string
		states []State
	}{
		"a pause of 2 s": {
			func(g *rig) { g.clock.now = g.clock.now.Add(2 * time.Second) }, "too old",
			[]State{StateRun, StateHold, StateInit},
		},
		"a hold": {
			func(g *rig) { g.RequestHold("the master is lost") }, "master",
			[]State{StateRun, StateHold, StateInit},
		},
		"a block":   {func(g *rig) { g.Block("a part is lost") }, "a part", []State{StateRun, StateHold, StateInit}},
		"disabled":  {func(g *rig) { g.Enable(false) }, "", []State{StateRun, StateReady, StateInit}},
		"an e-stop": {func(g *rig) { g.EStop("button") }, "button", []State{StateRun, StateFault}},
		"a passing hold": {
			func(g *rig) { g.RequestHold("test"); g.Enable(true) }, "test",
			[]State{StateRun, StateHold, StateRun, StateInit},
		},
		"a passing block": {func(g *rig) { g.Block("test"); g.Block("") }, "taken back", []State{
			StateRun, StateHold,
			StateRun, StateInit,
		}},
	} {
		g := newRig(t, nil)
		g.stepper.step = func(n int, _ []float32) error {
			if n == 4 {
				c.during(g)
			}
			return nil
		}
		g.stopAfter(10, nil)
		_ = g.Run(g.ctx)
		if !slices.Equal(g.states(), c.states) {
			t.Errorf("%s: states %v, want %v", name, g.states(), c.states)
		}
		n := 3
		if slices.Contains(c.states[2:], StateRun) {
			n = 9
		}
		if len(g.robot.writes) > n || len(g.robot.writes) < 3 {
			t.Errorf("%s: %d writes", name, len(g.robot.writes))
		}
		if g.changes[1].Cause != nil && !strings.Contains(g.changes[1].Cause.Error(), c.cause) {
			t.Errorf("%s: %v", name, g.changes[1].Cause)
		}
	}
}

// TestPermitsLapse: a command that waits on its way out is not sent once it is old or anything forbids to move.
func TestPermitsLapse(t *testing.T) {
	for name, c := range map[string]struct {
		then   func(g *rig)
		lapses bool
	}{
		"nothing":  {func(*rig) {}, false},
		"time":     {func(g *rig) { g.clock.now = g.clock.now.Add(3 * period) }, true},
		"no time":  {func(g *rig) { g.clock.now = g.clock.now.Add(2 * period) }, false},
		"hold":     {func(g *rig) { g.RequestHold("test") }, true},
		"block":    {func(g *rig) { g.Block("test") }, true},
		"disable":  {func(g *rig) { g.Enable(false) }, true},
		"e-stop":   {func(g *rig) { g.EStop("test") }, true},
		"enable":   {func(g *rig) { g.Enable(true) }, false},
		"unblock":  {func(g *rig) { g.Block("") }, false},
		"hold, on": {func(g *rig) { g.RequestHold("test"); g.Enable(true) }, true},
	} {
		g := newRig(t, nil)
		g.begin()
		for range 2 {
			if err := g.tick(g.ctx); err != nil {
				t.Fatal(err)
			}
			g.schedule()
		}
		p := g.robot.permit
		if len(g.robot.writes) == 0 || p.Err() != nil {
			t.Fatalf("%d writes, permit %v", len(g.robot.writes), p.Err())
		}
		c.then(g)
		if err := p.Err(); errors.Is(err, ErrLapsed) != c.lapses {
			t.Errorf("%s: %v", name, err)
		}
	}
	if (Permit{}).Err() != nil {
		t.Error("the zero permit lapsed")
	}
}

// TestWhatNeverWentOutDoesNotCount: limits count from the last command that the robot really sent, and one that is not
// out by the next tick never goes out.
func TestWhatNeverWentOutDoesNotCount(t *testing.T) {
	const waits = 4
	g := newRig(t, nil)
	g.robot.slow = true
	g.stepper.step = func(_ int, act []float32) error { act[1] += 10; return nil }
	var late Permit
	g.robot.onWrite = func(n int) {
		switch n {
		case waits:
			late = g.robot.permit
		case waits + 1:
			if late.Take() == nil {
				t.Error("a command went out after the one that follows it was computed")
			}
			fallthrough
		default:
			if err := g.robot.permit.Take(); err != nil {
				t.Errorf("command %d: %v", n, err)
			}
		}
	}
	g.stopAfter(8, func(n int, s *Sample) error {
		g.robot.fresh(s)
		if k := len(g.robot.writes); k > 0 {
			copy(s.Obs[:3], g.robot.writes[min(k, waits)-1]) // an arm that follows at once, and then stands
		}
		return nil
	})
	_ = g.Run(g.ctx)
	w := g.robot.writes
	if len(w) < waits+2 {
		t.Fatalf("%d writes", len(w))
	}
	step := func(a, b int) float64 { return math.Abs(float64(w[a-1][1] - w[b-1][1])) }
	if most := shield.Default().MaxSpeed * period.Seconds(); step(waits, waits-1) < 0.9*most ||
		step(waits+1, waits-1) > most {
		t.Errorf("%.4f m, then %.4f m from the last command that went out", step(waits, waits-1), step(waits+1, waits-1))
	}
	if n := g.Status().Withdrawn; n != 1 {
		t.Errorf("%d withdrawn", n)
	}
	for i, r := range g.recorder.copies(100) {
		if r.Sent == (i+1 == waits) {
			t.Errorf("tick %d is recorded as sent: %v", r.Tick, r.Sent)
		}
	}
}

// TestResetKeepsAStopThatCameLater: an emergency stop between looking and resetting is not erased, pressed or released
// since.
func TestResetKeepsAStopThatCameLater(t *testing.T) {
	g := newRig(t, nil)
	g.EStop("first")
	_ = g.Run(g.ctx)
	seen := g.Stops()
	g.EStop("second")
	var stopped *StoppedError
	if err := g.Reset(seen); !errors.As(err, &stopped) || stopped.Reason != "second" || g.State() != StateFault {
		t.Errorf("%v in %v", err, g.State())
	}
	if err := g.Reset(g.Stops()); err != nil || g.State() != StateInit {
		t.Errorf("%v in %v", err, g.State())
	}
}

// TestBlockedFromTheStart: a loop that never moved waits in READY and starts when the block ends; one that held does
// not.
func TestBlockedFromTheStart(t *testing.T) {
	g := newRig(t, nil)
	g.Block("nobody listens")
	g.stopAfter(20, func(n int, s *Sample) error {
		switch n {
		case 5:
			if len(g.robot.writes) != 0 || g.State() != StateReady || g.Status().Blocked == "" {
				t.Errorf("%d writes in %v", len(g.robot.writes), g.State())
			}
			g.Block("")
		case 10:
			g.Block("nobody listens")
		case 12:
			g.Enable(true) // refused
		case 13:
			g.Block("")
		case 16:
			if g.State() != StateHold {
				t.Errorf("moved by itself: %v", g.State())
			}
			g.Enable(true)
		}
		g.robot.fresh(s)
		return nil
	})
	_ = g.Run(g.ctx)
	want := []State{StateReady, StateRun, StateHold, StateRun, StateInit}
	if !slices.Equal(g.states(), want) {
		t.Errorf("%v, want %v", g.states(), want)
	}
}

// TestEverySourceHasAnAge: one source that is old, silent or from the future stops the loop and is named.
func TestEverySourceHasAnAge(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(s *Source, now, stop time.Time)
		want string
	}{
		"old stamps": {func(s *Source, now, stop time.Time) { s.Stamp, s.Came = stop, now }, "parts of observation"},
		"from the future": {
			func(s *Source, now, _ time.Time) { s.Stamp, s.Came = now.Add(8*time.Second), now },
			"parts of observation",
		},
		"future, then death": {
			func(s *Source, _, stop time.Time) { s.Stamp, s.Came = stop.Add(period), stop },
			"parts of observation",
		},
	} {
		g := newRig(t, nil)
		var stop time.Time
		g.stopAfter(12, func(n int, s *Sample) error {
			g.robot.fresh(s)
			now := g.clock.now
			s.Sources = append(s.Sources, Source{"arm", now, now}, Source{"gripper", now, now}, Source{"parts", now, now})
			if n == 4 {
				stop = now
			}
			if n > 4 {
				c.edit(&s.Sources[2], now, stop)
			}
			return nil
		})
		_ = g.Run(g.ctx)
		if len(g.changes) < 2 || g.changes[1].To != StateHold || !strings.Contains(g.changes[1].Cause.Error(), c.want) {
			t.Errorf("%s: %v", name, g.changes)
		}
		if len(g.robot.writes) > 7 {
			t.Errorf("%s: %d writes", name, len(g.robot.writes))
		}
	}
}
