package loop

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"korr/residual/shield"
)

// verdict is what an observation's age allows.
type verdict int

const (
	fresh  verdict = iota
	absent         // none came yet
	stale
	future
)

// tick is one control tick (see the package comment). A nil error means: go on.
func (l *Loop) tick(ctx context.Context) (fault error) {
	defer recoverTo(&fault)
	start := l.cfg.Clock.Now()
	l.outputs.ticks.Add(1)
	l.oversleep(start)
	rec := l.recorder.slot()
	rec.clear()
	rec.Tick, rec.Start, rec.Missed, rec.State = l.outputs.ticks.Load(), start, l.streak, l.State()
	l.open = true

	if reason := l.inputs.estop.Load(); reason != nil {
		return &EStopError{Reason: *reason}
	}
	again, fault := l.read(start, rec)
	if fault != nil {
		return fault
	}
	if again && l.cfg.LockStep { // Wait woke for nothing: a sample is ticked once
		l.open = false
		return nil
	}
	v := l.judge(start, rec)
	if l.early && v == fresh && l.inputs.hold.Load() == nil { // a newer sample came in time
		l.open = false
		return nil
	}
	if fault := l.decide(ctx, start, v); fault != nil {
		return fault
	}
	rec.State = l.State()
	if rec.State != StateRun {
		l.open, l.last = false, time.Time{}
		return nil
	}
	if l.early { // the requested hold was taken back by Enable
		l.open = false
		return nil
	}
	if !l.last.IsZero() && !l.cfg.LockStep {
		l.outputs.period.Add(start.Sub(l.last) - l.cfg.Period)
	}
	l.last = start
	if fault := l.act(ctx, start, rec); fault != nil {
		return fault
	}
	if !rec.Sent { // the stepper needs more time: holding
		l.open, l.last = false, time.Time{}
		return nil
	}
	l.recorder.commit()
	l.open = false
	if l.cfg.OnTick != nil {
		l.cfg.OnTick(rec)
	}
	return nil
}

// recoverTo turns a panic into a PanicError.
func recoverTo(err *error) {
	if v := recover(); v != nil {
		*err = &PanicError{Value: v, Stack: debug.Stack()}
	}
}

// read takes the newest sample, checks its values and says whether it is the one of the tick before.
func (l *Loop) read(now time.Time, rec *Record) (again bool, fault error) {
	seq := l.sample.Seq
	if err := l.robot.Read(&l.sample); err != nil {
		return false, &ReadError{Err: err}
	}
	if l.sample.Seq == 0 {
		return seq == 0, nil
	}
	if len(l.sample.Obs) != l.cfg.ObsDim {
		return false, &ShapeError{Got: len(l.sample.Obs), Want: l.cfg.ObsDim}
	}
	rec.Seq, rec.Stamp = l.sample.Seq, l.sample.Stamp
	copy(rec.Observation, l.sample.Obs)
	if i := shield.NotFinite(l.sample.Obs); i >= 0 {
		return false, &NotFiniteError{What: "observation", Index: i, Value: l.sample.Obs[i]}
	}
	if l.sample.Seq != seq {
		if l.newest = now; !l.sample.Came.IsZero() {
			l.newest = l.sample.Came
		}
		l.outputs.seq.Store(l.sample.Seq)
	}
	return l.sample.Seq == seq, nil
}

// judge looks at the newest sample's age.
func (l *Loop) judge(now time.Time, rec *Record) verdict {
	l.expires = time.Time{}
	switch {
	case l.sample.Seq == 0:
		return absent
	case l.cfg.LockStep: // Wait promised a new sample; simulated time has no age
		return fresh
	}
	l.silence = now.Sub(l.newest)
	l.age = max(l.cfg.StampNow().Sub(l.sample.Stamp), -math.MaxInt64) // Sub saturates, and -math.MinInt64 is negative
	rec.Age = l.age
	l.outputs.age.Store(int64(l.age))
	switch {
	case l.age >= l.cfg.MaxAge || l.silence >= l.cfg.MaxAge:
		return stale
	case -l.age > l.cfg.FutureTolerance:
		return future
	}
	l.expires = now.Add(l.cfg.MaxAge - max(l.age, l.silence))
	return fresh
}

// observationError is the cause of a hold on v.
func (l *Loop) observationError(v verdict) cause {
	if v == future {
		return &FutureStampError{Ahead: -l.age, Tolerance: l.cfg.FutureTolerance}
	}
	return &StaleError{Age: max(l.age, l.silence), MaxAge: l.cfg.MaxAge}
}

// act asks the policy, shields its command, sends it, and then does what can wait.
func (l *Loop) act(ctx context.Context, start time.Time, rec *Record) error {
	if fault := l.tracker.check(&l.cfg.Tracking, l.cfg.Period, &l.sample, l.shield.Previous()); fault != nil {
		return fault
	}
	info, err := l.stepper.StepTo(l.action, l.sample.Obs)
	if err != nil {
		return l.refused(ctx, err)
	}
	rec.decide(&info)
	copy(rec.Action, l.action)
	if i := shield.NotFinite(l.action); i >= 0 {
		return &NotFiniteError{What: "command", Index: i, Value: l.action[i]}
	}
	clamps, err := l.shield.ApplyTo(l.command, l.action, l.sample.Obs)
	if err != nil {
		return &ShieldError{Err: err}
	}
	rec.Clamps = clamps
	copy(rec.Command, l.command)
	if reason := l.inputs.estop.Load(); reason != nil { // the policy may have taken a while
		return &EStopError{Reason: *reason}
	}
	if err := l.robot.Write(l.command); err != nil {
		return &WriteError{Err: err}
	}
	rec.Sent, rec.Latency = true, l.cfg.Clock.Now().Sub(start)

	l.shield.Sent(l.command)
	if clamps == 0 { // the same motion, in the numbers the policy was trained on (6D not orthonormalised)
		l.stepper.Executed(l.action)
	} else {
		l.stepper.Executed(l.command)
	}
	l.outputs.sent.Add(1)
	l.outputs.latency.Add(rec.Latency)
	if clamps != 0 {
		l.outputs.clamped.Add(1)
	}
	if info.FellBack {
		l.outputs.fallbacks.Add(1)
	}
	return nil
}
