package loop

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"korr/residual/shield"

	"go.uber.org/goleak"

	"korr/residual"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const period = 100 * time.Millisecond

// fakeClock jumps to whatever is slept for.
type fakeClock struct{ now time.Time }

func newFakeClock() *fakeClock { return &fakeClock{now: time.Unix(1_700_000_000, 0)} }

func (c *fakeClock) Now() time.Time { return c.now }

func (c *fakeClock) SleepUntil(ctx context.Context, t time.Time) error {
	if t.After(c.now) {
		c.now = t
	}
	return ctx.Err()
}

// pose is a usable raw observation: the tool over the table, pointing down.
func pose() []float32 {
	obs := make([]float32, DefaultObsDim)
	copy(obs, []float32{0.5, 0, 0.2, 1, 0, 0, 0, -1, 0})
	return obs
}

// fakeRobot is a robot whose every call is recorded. A new sample comes with each Read, unless read
// says otherwise.
type fakeRobot struct {
	onClock
	clock    *fakeClock
	start    time.Time
	read     func(n int, s *Sample) error // n counts reads from 1; nil: always fresh
	write    func(n int) error
	hold     func() error
	onWrite  func(n int) // after a successful write
	permit   Permit
	slow     bool // commands wait on their way out: whoever tests takes the permit
	reads    int
	writes   [][]float32
	writeAt  []time.Duration // since start
	holdAt   []time.Duration
	holdsRun int
	giveUp   func() // called when a run that should have ended goes on
}

func newFakeRobot(c *fakeClock) *fakeRobot { return &fakeRobot{clock: c, start: c.now} }

func (r *fakeRobot) fresh(s *Sample) {
	s.Seq++
	s.Stamp = r.clock.now
	copy(s.Obs, pose())
}

func (r *fakeRobot) Read(s *Sample) error {
	if r.reads++; r.reads > 1000 && r.giveUp != nil {
		r.giveUp()
	}
	if r.read != nil {
		return r.read(r.reads, s)
	}
	r.fresh(s)
	return nil
}

func (r *fakeRobot) Write(cmd []float32, p Permit) error {
	r.permit = p
	if r.write != nil {
		if err := r.write(len(r.writes) + 1); err != nil {
			return err
		}
	}
	if !r.slow {
		if err := p.Take(); err != nil {
			return err
		}
	}
	r.writes = append(r.writes, append([]float32(nil), cmd...))
	r.writeAt = append(r.writeAt, r.clock.now.Sub(r.start))
	if r.onWrite != nil {
		r.onWrite(len(r.writes))
	}
	return nil
}

func (r *fakeRobot) Hold(context.Context, *shield.Shield) error {
	r.holdsRun++
	r.holdAt = append(r.holdAt, r.clock.now.Sub(r.start))
	if r.hold != nil {
		return r.hold()
	}
	return nil
}

// onClock is a robot that lock step is not for.
type onClock struct{}

func (onClock) Wait(context.Context, uint64) error { return errors.New("nothing waits on a clock") }

// fakeStepper drifts 1 mm along y per step of its plan, which Replan starts over.
type fakeStepper struct {
	step     func(n int, act []float32) error // n counts steps from 1
	steps    int
	plan     int
	replans  int
	executed int
	told     []float32 // by Executed
	at       residual.When
	fellBack bool
	base     []float32
}

func (s *fakeStepper) StepTo(act, obs []float32) (residual.Info, error) {
	s.steps++
	s.plan++
	copy(act, obs[:9])
	act[1] = float32(s.plan) * 0.001
	act[9] = 1
	if s.base == nil {
		s.base = make([]float32, len(act))
	}
	s.base[0] = float32(s.steps)
	info := residual.Info{Base: s.base, Residual: s.base, Innovation: 0.5, Innovated: true, FellBack: s.fellBack}
	if s.step != nil {
		return info, s.step(s.steps, act)
	}
	return info, nil
}

func (s *fakeStepper) ReadTimes(at residual.When) {
	s.at.Steps, s.at.Ages = at.Steps, append(s.at.Ages[:0], at.Ages...)
}

func (s *fakeStepper) Executed(cmd []float32) {
	s.executed++
	s.told = append(s.told[:0], cmd...)
}

func (s *fakeStepper) Prepare([]float32) (bool, error) { return true, nil }

func (s *fakeStepper) Replan() { s.replans++; s.plan = 0 }

// rig is a loop over fakes, enabled, that ends after the given number of reads.
type rig struct {
	*Loop
	robot   *fakeRobot
	stepper *fakeStepper
	clock   *fakeClock
	changes []Change
	ctx     context.Context
	cancel  context.CancelFunc
}

func newRig(t *testing.T, edit func(*Config)) *rig {
	t.Helper()
	g := &rig{clock: newFakeClock(), stepper: &fakeStepper{}}
	g.robot = newFakeRobot(g.clock)
	cfg := Config{Period: period, Clock: g.clock, OnState: func(c Change) { g.changes = append(g.changes, c) }}
	if edit != nil {
		edit(&cfg)
	}
	l, err := New(g.robot, g.stepper, cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.Loop = l
	g.Enable(true)
	g.ctx, g.cancel = context.WithCancel(t.Context())
	g.robot.giveUp = g.cancel
	t.Cleanup(g.cancel)
	return g
}

// stopAfter cancels the run's context at the n-th read and behaves like read (or fresh) before.
func (g *rig) stopAfter(n int, read func(n int, s *Sample) error) {
	g.robot.read = func(i int, s *Sample) error {
		if i >= n {
			g.cancel()
		}
		if read != nil {
			return read(i, s)
		}
		g.robot.fresh(s)
		return nil
	}
}

// states lists the states gone through.
func (g *rig) states() []State {
	var s []State
	for _, c := range g.changes {
		s = append(s, c.To)
	}
	return s
}

func nan() float32 { return float32(math.NaN()) }

// asleep runs a loop on the wall clock until it has sent its first command and sleeps for an hour; done gets what Run
// returns.
func asleep(t *testing.T, onState func(Change)) (l *Loop, robot *fakeRobot, done chan error) {
	t.Helper()
	robot = newFakeRobot(newFakeClock())
	first := make(chan struct{})
	robot.onWrite = func(int) { close(first) }
	robot.read = func(_ int, s *Sample) error {
		robot.fresh(s)
		s.Stamp = time.Now()
		return nil
	}
	l, err := New(robot, &fakeStepper{}, Config{Period: time.Hour, OnState: onState})
	if err != nil {
		t.Fatal(err)
	}
	l.Enable(true)
	done = make(chan error)
	go func() { done <- l.Run(t.Context()) }()
	<-first
	return l, robot, done
}
