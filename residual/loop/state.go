package loop

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// State is where the loop stands (see the package comment).
type State int32

// The states.
const (
	StateInit State = iota
	StateReady
	StateRun
	StateHold
	StateFault
)

// String returns INIT, READY, RUN, HOLD or FAULT.
func (s State) String() string {
	names := [...]string{"INIT", "READY", "RUN", "HOLD", "FAULT"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("State(%d)", int32(s))
	}
	return names[s]
}

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Change is one change of state.
type Change struct {
	From, To State
	Cause    error  // of HOLD and FAULT
	Tick     uint64 // the newest tick, as records count them
}

// outputs are what other goroutines may read.
type outputs struct {
	state     atomic.Int32
	cause     atomic.Pointer[error]
	ticks     atomic.Uint64
	sent      atomic.Uint64
	misses    atomic.Uint64
	holds     atomic.Uint64
	fallbacks atomic.Uint64
	late      atomic.Uint64
	clamped   atomic.Uint64
	withdrawn atomic.Uint64
	seq       atomic.Uint64
	age       atomic.Int64
	period    Histogram
	latency   Histogram
}

// Status is the loop's health, cumulative since New.
type Status struct {
	State     State
	Cause     error  // of HOLD or FAULT, else nil
	Enabled   bool   // Enable(true) was called and nothing has disarmed since
	Ticks     uint64 // wake-ups
	Sent      uint64 // commands handed to the robot
	Withdrawn uint64 // of those, not out by the next tick, and therefore never
	Misses    uint64 // deadlines missed
	Holds     uint64 // times HOLD was entered
	Fallbacks uint64 // ticks on which the residual was not finite and the base action went alone
	Late      uint64 // ticks that held because the policy's next chunk was late
	Clamped   uint64 // commands that the shield changed
	Seq       uint64 // of the newest sample
	Age       time.Duration
	Blocked   string // why it may not move, "" if it may
	Jitter    Spread // |time between ticks - period|; empty in lock step
	Latency   Spread // from waking up to Write's return
}

// Status returns a snapshot; fields of different ticks may mix.
func (l *Loop) Status() Status {
	o := &l.outputs
	blocked := ""
	if why := l.inputs.block.Load(); why != nil {
		blocked = *why
	}
	return Status{
		Blocked: blocked,
		State:   l.State(), Cause: l.Cause(), Enabled: l.inputs.enabled.Load(),
		Ticks: o.ticks.Load(), Sent: o.sent.Load(), Withdrawn: o.withdrawn.Load(), Misses: o.misses.Load(),
		Holds:     o.holds.Load(),
		Fallbacks: o.fallbacks.Load(), Late: o.late.Load(), Clamped: o.clamped.Load(),
		Seq: o.seq.Load(), Age: time.Duration(o.age.Load()),
		Jitter: o.period.Spread(), Latency: o.latency.Spread(),
	}
}

// State returns the current state.
func (l *Loop) State() State { return State(l.outputs.state.Load()) }

// Cause returns why the loop holds or faulted, nil in other states.
func (l *Loop) Cause() error {
	if p := l.outputs.cause.Load(); p != nil {
		return *p
	}
	return nil
}

// setState publishes the state and calls OnState when it changed.
func (l *Loop) setState(to State, why error) {
	from := l.State()
	var box *error
	if why != nil {
		kept := why // taking why's own address would allocate on every call
		box = &kept
	}
	l.outputs.cause.Store(box)
	l.outputs.state.Store(int32(to))
	if from != to && l.cfg.OnState != nil {
		l.cfg.OnState(Change{From: from, To: to, Cause: why, Tick: l.outputs.ticks.Load()})
	}
}

// decide moves the state machine by one tick; afterwards the loop may act if it is in RUN.
func (l *Loop) decide(ctx context.Context, now time.Time, v verdict) error {
	request, block := l.inputs.hold.Swap(nil), l.inputs.block.Load()
	enabledLast := l.inputs.resume.Swap(false) // after the newest request
	l.wantResume = enabledLast || l.wantResume
	enabled := l.inputs.enabled.Load()
	switch state := l.State(); {
	case !enabled && state == StateRun:
		l.setState(StateReady, nil)
		if err := l.holdRobot(ctx); err != nil {
			return err
		}
	case !enabled && v == fresh:
		l.setState(StateReady, nil)
	case !enabled:
		l.setState(StateInit, nil)
	case request != nil:
		fault := l.enterHold(ctx, &HoldRequestError{Reason: *request})
		l.wantResume = enabledLast && block == nil
		return fault
	case block != nil && (state == StateRun || state == StateHold && (l.wantResume || l.mayResume)):
		return l.enterHold(ctx, &HoldRequestError{Reason: *block})
	case state == StateRun && v != fresh:
		if err := l.enterHold(ctx, l.observationError(v)); err != nil {
			return err
		}
		l.mayResume = l.cfg.Resume
	case state == StateRun && l.streak >= l.cfg.MaxMisses:
		return l.enterHold(ctx, &MissedDeadlinesError{Missed: l.streak, Period: l.cfg.Period})
	case block != nil:
		l.wait(state, v)
		return l.impatient(now, v)
	case v == fresh && (state == StateInit || state == StateReady || state == StateHold && (l.wantResume || l.mayResume)):
		ready, err := l.prepare()
		if err != nil {
			return err
		}
		if ready {
			l.enterRun()
		} else if state == StateInit {
			l.setState(StateReady, nil)
		}
		return l.impatient(now, v)
	case state == StateReady:
		l.setState(StateInit, nil)
	}
	l.preparing = false
	return l.impatient(now, v)
}

// wait is a tick of a loop that is blocked and does not move.
func (l *Loop) wait(state State, v verdict) {
	l.preparing = false
	switch {
	case state == StateInit && v == fresh:
		l.setState(StateReady, nil)
	case state == StateReady && v != fresh:
		l.setState(StateInit, nil)
	}
}

// impatient faults when no usable observation came for too long.
func (l *Loop) impatient(now time.Time, v verdict) error {
	if v == fresh {
		l.lastFresh = now
	}
	if waited := now.Sub(l.lastFresh); l.cfg.Patience > 0 && waited > l.cfg.Patience && l.State() != StateRun {
		return &SilenceError{Waited: waited}
	}
	return nil
}

func (l *Loop) enterRun() {
	l.streak, l.held, l.wantResume, l.preparing = 0, false, false, false
	l.shield.Begin()
	l.tracker.forget()
	l.setState(StateRun, nil)
}

// enterHold holds the robot, once, and stays silent. In HOLD already, it only replaces the cause.
func (l *Loop) enterHold(ctx context.Context, why cause) error {
	already := l.State() == StateHold
	*why.snapshot() = l.snap()
	l.wantResume, l.mayResume, l.preparing = false, false, false
	l.setState(StateHold, why)
	if already {
		return nil
	}
	l.outputs.holds.Add(1)
	return l.holdRobot(ctx)
}

// holdRobot calls Robot.Hold with its own deadline, which outlives the run's context.
func (l *Loop) holdRobot(ctx context.Context) error {
	l.settle()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.HoldTimeout)
	defer cancel()
	l.reanchor = true
	if err := l.callHold(ctx); err != nil {
		return &HoldError{Err: err}
	}
	l.held = true
	return nil
}

func (l *Loop) callHold(ctx context.Context) (err error) {
	defer recoverTo(&err)
	return l.robot.Hold(ctx, &l.shield)
}

// fault holds the robot, dumps the flight recorder and returns the fault.
func (l *Loop) fault(ctx context.Context, err error) error {
	if l.open {
		l.recorder.commit()
		l.open = false
	}
	snap := l.snap()
	fill(err, snap)
	var failed *HoldError
	if !l.held && !errors.As(err, &failed) {
		if hold := l.holdRobot(ctx); hold != nil {
			fill(hold, snap)
			err = errors.Join(err, hold)
		}
	}
	if l.cfg.Dump != nil {
		head := dumpHeader{Error: err.Error(), State: snap.State, Tick: snap.Tick}
		if dump := l.recorder.dump(l.cfg.Dump, head); dump != nil {
			err = errors.Join(err, fmt.Errorf("loop: dump the flight recorder: %w", dump))
		}
	}
	l.setState(StateFault, err)
	return err
}

// fill puts the snapshot into err's cause.
func fill(err error, snap Snapshot) {
	var c cause
	if errors.As(err, &c) {
		*c.snapshot() = snap
	}
}

// snap is the Snapshot of now.
func (l *Loop) snap() Snapshot {
	return Snapshot{
		State: l.State(), Tick: l.outputs.ticks.Load(), Seq: l.sample.Seq, Age: l.age,
		Last: l.recorder.copies(lastRecords),
	}
}
