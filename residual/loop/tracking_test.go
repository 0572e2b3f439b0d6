package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"korr/basepolicy"
)

// follow makes the robot's measured y what move says at read n.
func (g *rig) follow(move func(n int) float32) {
	g.robot.read = func(n int, s *Sample) error {
		g.robot.fresh(s)
		s.Obs[1] = move(n)
		return nil
	}
}

// TestTracking: a blocked arm and a leaping one fault; one that lags but comes nearer, one that is close, and one whose
// state comes seldom do not.
func TestTracking(t *testing.T) {
	cfg := Tracking{MaxError: 0.05, MinProgress: 0.001, Ticks: 5, MaxSpeed: 2}
	for _, tc := range []struct {
		name   string
		goal   func(n int) float32 // commanded y
		move   func(n int) float32 // measured y
		writes int                 // before the fault; -1: no fault
		leap   bool
	}{
		{"blocked", func(int) float32 { return 0.08 }, func(int) float32 { return 0 }, 5, false},
		{
			"lags", func(n int) float32 { return 0.08 + 0.002*float32(n) }, func(n int) float32 { return 0.002 * float32(n) },
			-1, false,
		},
		{"near", func(int) float32 { return 0.04 }, func(int) float32 { return 0 }, -1, false},
		{"runs away", func(int) float32 { return 0.08 }, func(n int) float32 { return -0.003 * float32(n) }, 5, false},
		{"leaps", func(int) float32 { return 0 }, func(n int) float32 { return 0.25 * float32(n/7) }, 6, true},
		{
			"fast", func(n int) float32 { return 0.19 * float32(n/7) }, func(n int) float32 { return 0.19 * float32(n/7) }, -1,
			false,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newRig(t, func(c *Config) { c.Tracking = cfg })
			g.follow(tc.move)
			g.stepper.step = func(n int, act []float32) error { act[1] = tc.goal(n); return nil }
			read := g.robot.read
			g.stopAfter(12, read)
			err := g.Run(g.ctx)
			var e *TrackingError
			if found := errors.As(err, &e); found != (tc.writes >= 0) || found && (len(g.robot.writes) != tc.writes ||
				(e.Ticks == 0) != tc.leap || g.robot.holdsRun != 1) {
				t.Errorf("%v after %d commands, %d holds", err, len(g.robot.writes), g.robot.holdsRun)
			}
		})
	}
}

// planner is a fakeStepper that is ready after some ticks.
type planner struct {
	fakeStepper
	asked []int // ticks asked, per Replan
	need  int
	err   error
}

func (p *planner) Replan() { p.fakeStepper.Replan(); p.asked = append(p.asked, 0) }

func (p *planner) Prepare(obs []float32) (bool, error) {
	p.asked[len(p.asked)-1]++
	return p.asked[len(p.asked)-1] > p.need, p.err
}

func planning(t *testing.T, p *planner, edit func(*Config)) *rig {
	g := newRig(t, edit)
	g.Loop.stepper, g.stepper = p, &p.fakeStepper
	return g
}

// TestPrepare: the loop waits in READY for a stepper that plans, forgets the plan when observations go, and faults when
// planning fails.
func TestPrepare(t *testing.T) {
	p := &planner{need: 3}
	g := planning(t, p, nil)
	g.stopAfter(12, func(n int, s *Sample) error {
		if n != 3 { // the third sample is stamped far in the past
			g.robot.fresh(s)
		} else {
			s.Seq++
			s.Stamp = g.clock.now.Add(-time.Hour)
		}
		return nil
	})
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !slices.Equal(g.states()[:4], []State{StateReady, StateInit, StateReady, StateRun}) ||
		!slices.Equal(p.asked, []int{2, 4}) {
		t.Errorf("states %v, asked %v", g.states(), p.asked)
	}
	p = &planner{err: errBroken}
	g = planning(t, p, nil)
	if err := g.Run(g.ctx); !as[*PolicyError](err) || len(g.robot.writes) != 0 {
		t.Errorf("got %v", err)
	}
}

// TestLateChunkHolds: a stepper without an action holds the arm once; with Resume the loop goes on when a new plan is
// there, without it an operator decides.
func TestLateChunkHolds(t *testing.T) {
	for _, resume := range []bool{false, true} {
		p := &planner{}
		g := planning(t, p, func(c *Config) { c.Resume = resume })
		p.step = func(n int, _ []float32) error {
			if n == 4 {
				return basepolicy.ErrLate
			}
			return nil
		}
		g.stopAfter(8, nil)
		err := g.Run(g.ctx)
		writes := map[bool]int{false: 3, true: 7}[resume]
		if !errors.Is(err, context.Canceled) || len(g.robot.writes) != writes ||
			g.robot.holdsRun != 1+map[bool]int{true: 1}[resume] {
			t.Errorf("resume %v: %v, %d commands, %d holds", resume, err, len(g.robot.writes), g.robot.holdsRun)
		}
		var late *LateError
		i := slices.IndexFunc(g.changes, func(c Change) bool { return c.To == StateHold })
		if i < 0 || !errors.As(g.changes[i].Cause, &late) || g.Status().Late != 1 {
			t.Errorf("resume %v: changes %v, late %d", resume, g.changes, g.Status().Late)
		}
	}
	robot := &simRobot{limit: 10} // nothing is late in lock step: the simulator waits
	p := &fakeStepper{step: func(int, []float32) error { return basepolicy.ErrLate }}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	robot.obs, robot.seq, robot.done = pose(), 1, cancel
	if err := Run(ctx, robot, p, Config{LockStep: true}); !as[*PolicyError](err) {
		t.Errorf("in lock step: %v", err)
	}
}

// TestPausedProcessHolds: after a pause of many periods the loop holds before it sends anything, also when the
// observation is fresh again.
func TestPausedProcessHolds(t *testing.T) {
	g := newRig(t, nil)
	g.cfg.Clock = &pausing{fakeClock: g.clock, at: 5, by: 20 * period}
	g.stopAfter(9, nil)
	if err := g.Run(g.ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(g.robot.writes) != 4 || g.State() != StateInit || !slices.Contains(g.states(), StateHold) ||
		g.Status().Misses != 20 {
		t.Errorf("%d commands, states %v, %d misses", len(g.robot.writes), g.states(), g.Status().Misses)
	}
	var e *MissedDeadlinesError
	if i := slices.Index(g.states(), StateHold); !errors.As(g.changes[i].Cause, &e) || e.Missed != 20 {
		t.Errorf("cause %v", g.changes[i].Cause)
	}
}

// pausing is a clock on which the n-th sleep takes longer.
type pausing struct {
	*fakeClock
	n, at int
	by    time.Duration
}

func (c *pausing) SleepUntil(ctx context.Context, t time.Time) error {
	if c.n++; c.n == c.at {
		t = t.Add(c.by)
	}
	return c.fakeClock.SleepUntil(ctx, t)
}
