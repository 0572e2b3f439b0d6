package loop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

var errBroken = errors.New("broken")

// as says whether err holds a T.
func as[T error](err error) bool {
	var e T
	return errors.As(err, &e)
}

// faults is every way into FAULT: what breaks at the fifth tick, and the error it must give.
var faults = []struct {
	name   string
	set    func(g *rig)
	is     func(error) bool
	writes int // before the fault
}{
	{"read error", func(g *rig) {
		g.robot.read = func(n int, s *Sample) error {
			if n == 5 {
				return errBroken
			}
			g.robot.fresh(s)
			return nil
		}
	}, as[*ReadError], 4},
	{"write error", func(g *rig) {
		g.robot.write = func(n int) error {
			if n == 5 {
				return errBroken
			}
			return nil
		}
	}, as[*WriteError], 4},
	{"policy error", func(g *rig) {
		g.stepper.step = func(n int, _ []float32) error {
			if n == 5 {
				return errBroken
			}
			return nil
		}
	}, as[*PolicyError], 4},
	{"policy panic", func(g *rig) {
		g.stepper.step = func(n int, act []float32) error {
			if n == 5 {
				_ = act[len(act)+n]
			}
			return nil
		}
	}, as[*PanicError], 4},
	{"robot panic", func(g *rig) {
		g.robot.read = func(n int, s *Sample) error {
			if n == 5 {
				panic("driver")
			}
			g.robot.fresh(s)
			return nil
		}
	}, as[*PanicError], 4},
	{"hook panic", func(g *rig) {
		g.cfg.OnTick = func(r *Record) {
			if r.Tick == 4 {
				panic("hook")
			}
		}
	}, as[*PanicError], 4},
	{"observation NaN", func(g *rig) {
		g.robot.read = func(n int, s *Sample) error {
			g.robot.fresh(s)
			if n == 5 {
				s.Obs[57] = nan()
			}
			return nil
		}
	}, as[*NotFiniteError], 4},
	{"observation length", func(g *rig) {
		g.robot.read = func(n int, s *Sample) error {
			g.robot.fresh(s)
			if n == 5 {
				s.Obs = s.Obs[:44]
			}
			return nil
		}
	}, as[*ShapeError], 4},
	{"command NaN", func(g *rig) {
		g.stepper.step = func(n int, act []float32) error {
			if n == 5 {
				act[2] = nan()
			}
			return nil
		}
	}, as[*NotFiniteError], 4},
	{"measured pose", func(g *rig) {
		g.robot.read = func(n int, s *Sample) error {
			g.robot.fresh(s)
			if n == 5 {
				clear(s.Obs[3:9])
			}
			return nil
		}
	}, as[*ShieldError], 4},
	{"e-stop between ticks", func(g *rig) {
		g.robot.onWrite = func(n int) {
			if n == 4 {
				g.EStop("button")
			}
		}
	}, as[*EStopError], 4},
	{"e-stop while the policy thinks", func(g *rig) {
		g.stepper.step = func(n int, _ []float32) error {
			if n == 5 {
				g.EStop("button")
			}
			return nil
		}
	}, as[*EStopError], 4},
	{"hold fails", func(g *rig) {
		g.robot.hold = func() error { return errBroken }
		g.robot.onWrite = func(n int) {
			if n == 4 {
				g.RequestHold("master lost")
			}
		}
	}, as[*HoldError], 4},
	{"hold panics", func(g *rig) {
		g.robot.hold = func() error { panic("driver") }
		g.robot.onWrite = func(n int) {
			if n == 4 {
				g.RequestHold("master lost")
			}
		}
	}, as[*HoldError], 4},
	{"silence", func(g *rig) {
		g.cfg.Patience = 5 * period
		g.robot.read = func(n int, s *Sample) error {
			if n <= 2 {
				g.robot.fresh(s)
			}
			return nil
		}
	}, as[*SilenceError], 4},
}

func TestFaults(t *testing.T) {
	for _, c := range faults {
		t.Run(c.name, func(t *testing.T) {
			var dump bytes.Buffer
			g := newRig(t, func(cfg *Config) { cfg.Dump = &dump })
			c.set(g)
			err := g.Run(g.ctx)
			if !c.is(err) {
				t.Fatalf("err = %T %v", err, err)
			}
			if g.State() != StateFault || !errors.Is(g.Cause(), err) {
				t.Errorf("state %v, cause %v", g.State(), g.Cause())
			}
			if len(g.robot.writes) != c.writes {
				t.Errorf("%d commands, want %d", len(g.robot.writes), c.writes)
			}
			if g.robot.holdsRun != 1 {
				t.Errorf("Hold called %d times, want 1", g.robot.holdsRun)
			}
			last := LastStates(err)
			if last == nil || last.Tick < 4 || len(last.Last) < 4 {
				t.Fatalf("the error carries %+v", last)
			}
			checkDump(t, &dump, err)
			checkLatched(t, g)
		})
	}
}

// checkLatched: FAULT refuses to run, however often it is enabled, until Reset; then all is well.
func checkLatched(t *testing.T, g *rig) {
	t.Helper()
	g.Enable(true)
	writes := len(g.robot.writes)
	if err := g.Run(g.ctx); !as[*FaultedError](err) || len(g.robot.writes) != writes {
		t.Errorf("a faulted loop ran: %v", err)
	}
	if err := g.Reset(g.Stops()); err != nil || g.State() != StateInit || g.Cause() != nil {
		t.Fatalf("reset: %v, state %v, cause %v", err, g.State(), g.Cause())
	}
	g.stepper.step, g.robot.write, g.robot.hold, g.robot.onWrite, g.cfg.OnTick = nil, nil, nil, nil, nil
	g.sample.Obs = g.sample.Obs[:g.cfg.ObsDim]
	g.ctx, g.cancel = context.WithCancel(t.Context())
	g.robot.reads = 0
	g.stopAfter(3, nil)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) || len(g.robot.writes) != writes {
		t.Errorf("a reset loop moved without being enabled: %v", err)
	}
	g.ctx, g.cancel = context.WithCancel(t.Context())
	g.robot.reads = 0
	g.stopAfter(3, nil)
	g.Enable(true)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) || len(g.robot.writes) != writes+3 {
		t.Errorf("after reset and enable: %v, %d new commands", err, len(g.robot.writes)-writes)
	}
}

func checkDump(t *testing.T, dump *bytes.Buffer, fault error) {
	t.Helper()
	lines := bufio.NewScanner(dump)
	lines.Scan()
	var head struct {
		Version int    `json:"korr_flight"`
		Error   string `json:"error"`
		Kept    int    `json:"kept"`
	}
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil || head.Version != 1 || !strings.Contains(head.Error,
		strings.SplitN(fault.Error(), "\n", 2)[0]) {
		t.Fatalf("header %s: %v", lines.Bytes(), err)
	}
	count := 0
	for lines.Scan() {
		var r struct {
			Tick        uint64     `json:"tick"`
			State       string     `json:"state"`
			Observation []*float32 `json:"observation"`
			Command     []float32  `json:"command"`
			Base        []float32  `json:"base"`
			Sent        bool       `json:"sent"`
			Innovation  float32    `json:"innovation"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v in %s", err, lines.Bytes())
		}
		count++
		if count > 4 {
			continue // the tick of the fault is as complete as it got
		}
		if r.Tick != uint64(count) || r.State != "RUN" || len(r.Observation) != DefaultObsDim || !r.Sent ||
			r.Innovation != 0.5 ||
			r.Command[1] != float32(count)*0.001 || r.Base[0] != float32(count) {
			t.Errorf("tick %d: %s", count, lines.Bytes())
		}
	}
	if count != head.Kept || count < 4 {
		t.Errorf("%d records, header says %d", count, head.Kept)
	}
}

// TestFlightRecorderKeepsTheLast: the ring overwrites the oldest, and NaN survives as null.
func TestFlightRecorderKeepsTheLast(t *testing.T) {
	var dump bytes.Buffer
	g := newRig(t, func(cfg *Config) { cfg.Dump, cfg.Records = &dump, 4 })
	g.robot.read = func(n int, s *Sample) error {
		g.robot.fresh(s)
		if n == 10 {
			s.Obs[2] = nan()
		}
		return nil
	}
	err := g.Run(g.ctx)
	var nf *NotFiniteError
	if !errors.As(err, &nf) || nf.What != "observation" || nf.Index != 2 || len(nf.Last) != 4 || nf.Last[3].Tick != 10 ||
		nf.Last[0].Tick != 7 {
		t.Fatalf("err %+v", err)
	}
	if last := nf.Last[3].Observation; last[0] != 0.5 || last[2] == last[2] || nf.Last[2].Base[0] != 9 {
		t.Errorf("the error's records hold %+v", nf.Last)
	}
	lines := strings.Split(strings.TrimSpace(dump.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[4], `"observation":[0.5,0,null,`) {
		t.Errorf("dump\n%s", dump.String())
	}
}

type failWriter struct{}

func (failWriter) Write([]byte) (int, error) { return 0, errBroken }

// TestDoubleTrouble: what fails while stopping is joined to the fault, not lost and not in its place.
func TestDoubleTrouble(t *testing.T) {
	g := newRig(t, func(cfg *Config) { cfg.Dump = failWriter{} })
	g.robot.hold = func() error { return errBroken }
	g.stepper.step = func(int, []float32) error { return errors.New("policy") }
	err := g.Run(g.ctx)
	if !as[*PolicyError](err) || !as[*HoldError](err) || !strings.Contains(err.Error(), "flight recorder") {
		t.Errorf("err = %v", err)
	}
}

// TestEStopWakes: the stop does not wait for the next tick.
func TestEStopWakes(t *testing.T) {
	l, robot, done := asleep(t, nil)
	if err := l.Run(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("second Run: %v", err)
	}
	if err := l.Reset(l.Stops()); !errors.Is(err, ErrRunning) {
		t.Errorf("Reset while running: %v", err)
	}
	l.EStop("button")
	select {
	case err := <-done:
		if !as[*EStopError](err) || robot.holdsRun != 1 {
			t.Errorf("err %v, %d holds", err, robot.holdsRun)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the loop slept through an emergency stop")
	}
}
