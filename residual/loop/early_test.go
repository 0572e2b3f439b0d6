package loop

import (
	"errors"
	"testing"
	"time"
)

// TestHoldsWhenTheSampleExpires: the hold comes when the sample is too old, not with the tick after; a sample that came
// in time prevents it, and no command is sent between the ticks.
func TestHoldsWhenTheSampleExpires(t *testing.T) {
	const age = 250 * time.Millisecond
	g := newRig(t, func(c *Config) { c.MaxAge = age })
	g.stopAfter(12, func(n int, s *Sample) error {
		if n <= 3 || n == 6 { // ticks 0, 1, 2; read 6 is the early one, at 450 ms
			g.robot.fresh(s)
		}
		return nil
	})
	if err := g.Run(g.ctx); err == nil {
		t.Fatal("no error")
	}
	want := []time.Duration{0, period, 2 * period, 3 * period, 4 * period, 5 * period, 6 * period}
	if len(g.robot.writeAt) != len(want) {
		t.Fatalf("commands at %v", g.robot.writeAt)
	}
	for i, at := range g.robot.writeAt {
		if at != want[i] {
			t.Errorf("command %d at %v, want %v", i, at, want[i])
		}
	}
	if len(g.robot.holdAt) == 0 || g.robot.holdAt[0] != 4*period+period/2+age {
		t.Errorf("held at %v", g.robot.holdAt)
	}
}

// TestSilenceCountsFromTheArrival: stamps that say too little about the age do not put the hold off.
func TestSilenceCountsFromTheArrival(t *testing.T) {
	g := newRig(t, nil)
	g.stopAfter(20, func(n int, s *Sample) error {
		if n <= 3 {
			g.robot.fresh(s)
			s.Came = g.clock.now.Add(-period / 2)
		}
		s.Stamp = g.clock.now // of a simulated time that stands still
		return nil
	})
	_ = g.Run(g.ctx)
	if len(g.robot.holdAt) == 0 || g.robot.holdAt[0] != 2*period-period/2+3*period {
		t.Errorf("held at %v", g.robot.holdAt)
	}
}

// TestRequestHoldWakes: a requested hold does not wait for the next tick.
func TestRequestHoldWakes(t *testing.T) {
	held := make(chan error, 1)
	l, robot, done := asleep(t, func(c Change) {
		if c.To == StateHold {
			held <- c.Cause
		}
	})
	l.RequestHold("dead-man")
	select {
	case cause := <-held:
		if !as[*HoldRequestError](cause) {
			t.Errorf("cause %v", cause)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the loop slept through a requested hold")
	}
	l.EStop("end")
	if err := <-done; !as[*EStopError](err) || len(robot.writes) != 1 || errors.Is(err, errBroken) {
		t.Errorf("%v after %d commands", err, len(robot.writes))
	}
}
