package loop

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"korr/residual/shield"
)

// simRobot is a simulation whose next state needs the last command: y follows the command by half.
type simRobot struct {
	obs    []float32
	seq    uint64
	limit  uint64
	writes [][]float32
	holds  int
	wake   func() error // called by Wait
	pause  func()       // uneven computing time of the simulator
	done   context.CancelFunc
}

func (r *simRobot) Read(s *Sample) error {
	copy(s.Obs, r.obs)
	s.Seq = r.seq // no stamp: simulated time has no age
	return nil
}

func (r *simRobot) Write(cmd []float32, p Permit) error {
	if err := p.Take(); err != nil {
		return err
	}
	if r.pause != nil {
		r.pause()
	}
	r.writes = append(r.writes, slices.Clone(cmd))
	r.obs[1] += (cmd[1] - r.obs[1]) / 2
	r.seq++
	if r.seq == r.limit {
		r.done()
	}
	return nil
}

func (r *simRobot) Hold(context.Context, *shield.Shield) error { r.holds++; return nil }

func (r *simRobot) Wait(ctx context.Context, after uint64) error {
	if r.wake != nil {
		return r.wake()
	}
	if r.seq != after {
		return ctx.Err()
	}
	<-ctx.Done()
	return ctx.Err()
}

func lockStep(t *testing.T, robot *simRobot, cfg Config) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	robot.obs, robot.seq, robot.done = pose(), 1, cancel
	cfg.LockStep = true
	return Run(ctx, robot, &fakeStepper{}, cfg)
}

// TestLockStepRepeats: 500 ticks give the same commands whatever the simulator's speed, much faster than
// the 50 s they stand for, and every sample is ticked exactly once.
func TestLockStepRepeats(t *testing.T) {
	n := 0
	runs := []*simRobot{
		{limit: 501},
		{limit: 501, pause: func() {
			if n++; n%50 == 0 {
				time.Sleep(2 * time.Millisecond)
			}
		}},
	}
	start := time.Now()
	for _, r := range runs {
		if err := lockStep(t, r, Config{Period: 100 * time.Millisecond, MaxAge: time.Nanosecond}); !errors.Is(err,
			context.Canceled) {
			t.Fatal(err)
		}
		if len(r.writes) != 500 || r.holds != 1 {
			t.Fatalf("%d commands, %d holds", len(r.writes), r.holds)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("100 s of control took %v", took)
	}
	for i := range runs[0].writes {
		if !slices.Equal(runs[0].writes[i], runs[1].writes[i]) {
			t.Fatalf("tick %d: %v and %v", i, runs[0].writes[i], runs[1].writes[i])
		}
	}
}

// TestLockStepIsTheSameTick: a robot that answers within the period gets the same commands by the clock.
func TestLockStepIsTheSameTick(t *testing.T) {
	step := &simRobot{limit: 51}
	_ = lockStep(t, step, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	clock := newFakeClock()
	byClock := &simRobot{limit: 51, obs: pose(), seq: 1, done: cancel}
	_ = Run(ctx, byClock, &fakeStepper{}, Config{
		Period: period, Clock: clock,
		StampNow: func() time.Time { return time.Time{} },
	})
	if len(step.writes) != 50 || len(byClock.writes) != 50 {
		t.Fatalf("%d and %d commands", len(step.writes), len(byClock.writes))
	}
	for i := range step.writes {
		if !slices.Equal(step.writes[i], byClock.writes[i]) {
			t.Fatalf("tick %d: %v and %v", i, step.writes[i], byClock.writes[i])
		}
	}
}

func TestLockStepWait(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  Config
		wake func() error
		is   func(error) bool
	}{
		{"fails", Config{}, func() error { return errBroken }, as[*ReadError]},
		{"panics", Config{}, func() error { panic("driver") }, as[*PanicError]},
		{"never", Config{Patience: 20 * time.Millisecond}, nil, as[*SilenceError]},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &simRobot{wake: c.wake}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r.obs, r.done, c.cfg.LockStep = pose(), cancel, true // seq 0: no sample ever
			if err := Run(ctx, r, &fakeStepper{}, c.cfg); !c.is(err) {
				t.Errorf("err = %T %v", err, err)
			}
			if len(r.writes) != 0 || r.holds != 1 {
				t.Errorf("%d commands, %d holds", len(r.writes), r.holds)
			}
		})
	}
}

// TestLockStepSpuriousWake: a Wait that returns too early must not tick a sample twice.
func TestLockStepSpuriousWake(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wakes := 0
	r := &simRobot{obs: pose(), seq: 7, done: cancel}
	r.wake = func() error {
		if wakes++; wakes > 20 {
			cancel()
		}
		return ctx.Err()
	}
	s := &fakeStepper{}
	frozen := &frozenRobot{r}
	_ = Run(ctx, frozen, s, Config{LockStep: true})
	if s.steps != 1 {
		t.Errorf("one sample was ticked %d times", s.steps)
	}
}

// frozenRobot takes commands without moving on.
type frozenRobot struct{ *simRobot }

func (r *frozenRobot) Write(_ []float32, p Permit) error { return p.Take() }
