package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"korr/residual/shield"
)

func TestOneCommandPerPeriod(t *testing.T) {
	g := newRig(t, nil)
	g.stopAfter(10, nil)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("err = %v", err)
	}
	if len(g.robot.writes) != 10 || g.stepper.executed != 10 {
		t.Fatalf("%d writes, %d executed, want 10", len(g.robot.writes), g.stepper.executed)
	}
	for i, at := range g.robot.writeAt {
		if want := time.Duration(i) * period; at != want {
			t.Errorf("command %d at %v, want %v", i, at, want)
		}
	}
	if g.robot.holdsRun != 1 {
		t.Errorf("Hold called %d times when the context ended, want 1", g.robot.holdsRun)
	}
	if want := []State{StateRun, StateInit}; !slices.Equal(g.states(), want) {
		t.Errorf("states %v, want %v", g.states(), want)
	}
	s := g.Status()
	if s.Sent != 10 || s.Misses != 0 || s.Jitter.Count != 9 || s.Jitter.Max != 0 || s.Latency.Count != 10 {
		t.Errorf("status %+v", s)
	}
	// Disarmed now: the next Run may look but not move.
	g.ctx, g.cancel = context.WithCancel(t.Context())
	g.robot.reads = 0
	g.stopAfter(5, nil)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) || len(g.robot.writes) != 10 || g.robot.holdsRun != 1 {
		t.Errorf("disarmed loop: err %v, %d writes, %d holds", err, len(g.robot.writes), g.robot.holdsRun)
	}
}

// TestNoDrift checks next += period: work inside the tick shifts nothing, and an overrun keeps the phase
// and drops what was slept through.
func TestNoDrift(t *testing.T) {
	g := newRig(t, nil)
	g.stopAfter(8, nil)
	g.robot.write = func(n int) error {
		g.clock.now = g.clock.now.Add(period * 2 / 5)
		if n == 3 {
			g.clock.now = g.clock.now.Add(period * 2)
		}
		return nil
	}
	var starts []time.Duration
	g.cfg.OnTick = func(r *Record) { starts = append(starts, r.Start.Sub(g.robot.start)) }
	_ = g.Run(g.ctx)
	// The third tick starts at 200 ms and ends at 440: 300 is gone, 400 starts late, 500 is on time.
	want := []time.Duration{0, 100, 200, 440, 500, 600, 700, 800}
	for i := range want {
		want[i] *= time.Millisecond
	}
	if !slices.Equal(starts, want) {
		t.Errorf("ticks at %v\nwant %v", starts, want)
	}
	if s := g.Status(); s.Misses != 2 || s.Holds != 0 {
		t.Errorf("misses %d, holds %d, want 2 and 0", s.Misses, s.Holds)
	}
}

func TestObservationsStop(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(g *rig, n int, s *Sample) error
	}{
		{"nothing new", func(_ *rig, _ int, _ *Sample) error { return nil }},
		{"same sample, stamped anew", func(g *rig, _ int, s *Sample) error { s.Stamp = g.clock.now; return nil }},
		{"new samples, old stamps", func(g *rig, _ int, s *Sample) error { s.Seq++; return nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, nil)
			g.stopAfter(50, func(n int, s *Sample) error {
				if n <= 5 {
					g.robot.fresh(s)
					return nil
				}
				return c.read(g, n, s)
			})
			var held error
			g.cfg.OnState = func(ch Change) {
				if ch.To == StateHold {
					held = ch.Cause
				}
			}
			_ = g.Run(g.ctx)
			last := 4 * period // of the fifth and last fresh sample
			if len(g.robot.holdAt) != 1 {
				t.Fatalf("Hold called %d times, want 1", len(g.robot.holdAt))
			}
			if late := g.robot.holdAt[0] - last; late > 3*period {
				t.Errorf("Hold came %v after the last observation, want at most %v", late, 3*period)
			}
			if len(g.robot.writes) != 7 {
				t.Errorf("%d commands, want 7: silent from the hold on", len(g.robot.writes))
			}
			var stale *StaleError
			if !errors.As(held, &stale) || stale.Age != 3*period || stale.State != StateRun || len(stale.Last) != 7 {
				t.Errorf("cause %+v", held)
			}
		})
	}
}

func TestLeavingHold(t *testing.T) {
	for _, c := range []struct {
		name    string
		resume  bool
		request bool // a RequestHold instead of silence
		enable  bool // Enable(true) once the observations are back
		want    []State
		replans int
	}{
		{"stale, configured", true, false, false, []State{StateRun, StateHold, StateRun, StateInit}, 2},
		{"stale, not configured", false, false, false, []State{StateRun, StateHold, StateInit}, 1},
		{"stale, operator", false, false, true, []State{StateRun, StateHold, StateRun, StateInit}, 2},
		{"requested, configured", true, true, false, []State{StateRun, StateHold, StateInit}, 1},
		{"requested, operator", false, true, true, []State{StateRun, StateHold, StateRun, StateInit}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, func(cfg *Config) { cfg.Resume = c.resume })
			g.stopAfter(30, func(n int, s *Sample) error {
				switch {
				case n == 6 && c.request:
					g.RequestHold("dead-man released")
				case n == 15 && c.enable:
					g.Enable(true)
				}
				if n < 6 || n > 12 || c.request {
					g.robot.fresh(s)
				}
				return nil
			})
			_ = g.Run(g.ctx)
			if !slices.Equal(g.states(), c.want) {
				t.Fatalf("states %v, want %v", g.states(), c.want)
			}
			if g.stepper.replans != c.replans {
				t.Errorf("%d replans, want %d", g.stepper.replans, c.replans)
			}
			if got := g.robot.writes[len(g.robot.writes)-1][1]; c.replans == 2 && got > 0.0185 {
				t.Errorf("last command %g m: the plan from before the hold went on", got)
			}
			if c.request {
				var request *HoldRequestError
				if !errors.As(g.changes[1].Cause, &request) || request.Reason != "dead-man released" {
					t.Errorf("cause %v", g.changes[1].Cause)
				}
			}
		})
	}
}

// TestRequestBeatsSelfResume: a dead-man released during a stale hold must not be resumed from by itself.
func TestRequestBeatsSelfResume(t *testing.T) {
	g := newRig(t, func(cfg *Config) { cfg.Resume = true })
	g.stopAfter(30, func(n int, s *Sample) error {
		if n == 10 {
			g.RequestHold("dead-man released")
		}
		if n < 3 || n > 12 {
			g.robot.fresh(s)
		}
		return nil
	})
	_ = g.Run(g.ctx)
	if want := []State{StateRun, StateHold, StateInit}; !slices.Equal(g.states(), want) || g.robot.holdsRun != 1 {
		t.Errorf("states %v (want %v), %d holds", g.states(), want, g.robot.holdsRun)
	}
}

// TestLastInputWins: a hold that was requested happens. Enable(true) after it, before the same tick, resumes from it.
func TestLastInputWins(t *testing.T) {
	for _, enableLast := range []bool{true, false} {
		g := newRig(t, nil)
		g.stopAfter(5, func(n int, s *Sample) error {
			if n == 2 && !enableLast {
				g.Enable(true)
			}
			if n == 2 {
				g.RequestHold("test")
			}
			if n == 2 && enableLast {
				g.Enable(true)
			}
			g.robot.fresh(s)
			return nil
		})
		_ = g.Run(g.ctx)
		want := []State{StateRun, StateHold, StateInit}
		if enableLast {
			want = []State{StateRun, StateHold, StateRun, StateInit}
		}
		if !slices.Equal(g.states(), want) {
			t.Errorf("enabled last: %t, states %v", enableLast, g.states())
		}
	}
}

// TestResumeForgetsTheLastCommand: after a hold the rate limit starts over from the measured pose.
func TestResumeForgetsTheLastCommand(t *testing.T) {
	g := newRig(t, func(cfg *Config) { cfg.Resume = true })
	g.stopAfter(12, func(n int, s *Sample) error {
		if n <= 2 || n >= 8 {
			g.robot.fresh(s)
		}
		if n >= 8 { // somebody moved the arm by 15 cm meanwhile
			s.Obs[0] = 0.65
		}
		return nil
	})
	var clamps []shield.Clamp
	g.cfg.OnTick = func(r *Record) { clamps = append(clamps, r.Clamps) }
	_ = g.Run(g.ctx)
	if len(clamps) != 9 || slices.Max(clamps) != 0 {
		t.Errorf("clamps %v", clamps)
	}
}

func TestFutureStamp(t *testing.T) {
	for _, c := range []struct {
		ahead time.Duration
		holds int
	}{{period, 0}, {period + 1, 1}} {
		g := newRig(t, nil)
		g.stopAfter(10, func(n int, s *Sample) error {
			g.robot.fresh(s)
			if n > 4 {
				s.Stamp = s.Stamp.Add(c.ahead)
			}
			return nil
		})
		var cause error
		g.cfg.OnState = func(ch Change) { cause = errors.Join(cause, ch.Cause) }
		_ = g.Run(g.ctx)
		var future *FutureStampError
		if got := g.Status().Holds; got != uint64(c.holds) || errors.As(cause, &future) != (c.holds == 1) {
			t.Errorf("%v ahead: %d holds, cause %v", c.ahead, got, cause)
		}
	}
}

func TestMissedDeadlines(t *testing.T) {
	for _, c := range []struct {
		name  string
		slow  func(n int) bool
		holds uint64
	}{
		{"two in a row", func(n int) bool { return n == 4 || n == 5 || n == 8 || n == 9 }, 0},
		{"three in a row", func(n int) bool { return n >= 4 && n <= 6 }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t, nil)
			g.stopAfter(20, nil)
			g.stepper.step = func(n int, _ []float32) error {
				if c.slow(n) {
					g.clock.now = g.clock.now.Add(period + period/5)
				}
				return nil
			}
			var cause error
			g.cfg.OnState = func(ch Change) { cause = errors.Join(cause, ch.Cause) }
			_ = g.Run(g.ctx)
			var missed *MissedDeadlinesError
			if got := g.Status().Holds; got != c.holds || errors.As(cause, &missed) != (c.holds == 1) {
				t.Errorf("%d holds, want %d; cause %v", got, c.holds, cause)
			}
		})
	}
}

func TestEnableLater(t *testing.T) {
	g := newRig(t, nil)
	g.Enable(false)
	g.stopAfter(12, func(n int, s *Sample) error {
		switch n {
		case 1:
			return nil // INIT: no sample yet
		case 4:
			g.Enable(true)
		case 8:
			g.Enable(false)
		}
		g.robot.fresh(s)
		return nil
	})
	_ = g.Run(g.ctx)
	if want := []State{StateReady, StateRun, StateReady, StateInit}; !slices.Equal(g.states(), want) {
		t.Errorf("states %v, want %v", g.states(), want)
	}
	if len(g.robot.writes) != 4 || g.robot.holdsRun != 1 {
		t.Errorf("%d commands, %d holds, want 4 and 1", len(g.robot.writes), g.robot.holdsRun)
	}
}

func TestConfigRefusals(t *testing.T) {
	clock := newFakeClock()
	for name, cfg := range map[string]Config{
		"no period":         {},
		"negative age":      {Period: period, MaxAge: -1},
		"short observation": {Period: period, ObsDim: 5},
		"negative records":  {Period: period, Records: -1},
	} {
		if _, err := New(newFakeRobot(clock), &fakeStepper{}, cfg); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := New(nil, &fakeStepper{}, Config{Period: period}); err == nil {
		t.Error("a nil robot was accepted")
	}
}
