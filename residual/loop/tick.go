package loop

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"korr/residual"
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
	l.generation = l.inputs.generation.Load() // before any input is looked at
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
	// a newer sample came in time
	if l.early && v == fresh && l.inputs.hold.Load() == nil && l.inputs.block.Load() == nil {
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
	l.sample.Sources, l.sample.Measured = l.sample.Sources[:0], l.sample.Measured[:0]
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
	l.ages(now)
	rec.Age = l.age
	l.outputs.age.Store(int64(l.age))
	switch {
	case l.age >= l.cfg.MaxAge || l.silence >= l.cfg.MaxAge:
		return stale
	case l.ahead > l.cfg.FutureTolerance:
		return future
	}
	l.expires = now.Add(l.cfg.MaxAge - max(l.age, l.silence))
	return fresh
}

// ages looks how old the newest sample is, by every source that it is made of.
func (l *Loop) ages(now time.Time) {
	stampNow := l.cfg.StampNow()
	age := max(stampNow.Sub(l.sample.Stamp), -math.MaxInt64) // Sub saturates, and -math.MinInt64 is negative
	l.age, l.ahead, l.silence, l.oldest, l.youngest = age, -age, now.Sub(l.newest), "", ""
	worst := max(l.age, l.silence)
	for i := range l.sample.Sources {
		s := &l.sample.Sources[i]
		age, silence := max(stampNow.Sub(s.Stamp), -math.MaxInt64), now.Sub(s.Came)
		l.age, l.silence = max(l.age, age), max(l.silence, silence)
		if -age > l.ahead {
			l.ahead, l.youngest = -age, s.Name
		}
		if most := max(age, silence); most >= worst {
			worst, l.oldest = most, s.Name
		}
	}
}

// observationError is the cause of a hold on v.
func (l *Loop) observationError(v verdict) cause {
	if v == future {
		return &FutureStampError{Source: l.youngest, Ahead: l.ahead, Tolerance: l.cfg.FutureTolerance}
	}
	return &StaleError{Source: l.oldest, Age: max(l.age, l.silence), MaxAge: l.cfg.MaxAge}
}

// act asks the policy, shields its command, sends it, and then does what can wait.
func (l *Loop) act(ctx context.Context, start time.Time, rec *Record) error {
	l.settle()
	if fault := l.tracker.check(&l.cfg.Tracking, l.cfg.Period, &l.sample, l.shield.Previous()); fault != nil {
		return fault
	}
	l.stepper.ReadTimes(l.times())
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
	if fault := l.write(ctx, rec); fault != nil || !rec.Sent {
		return fault
	}
	rec.Latency = l.cfg.Clock.Now().Sub(start)
	l.shield.Sent(l.command, l.sample.Obs)
	l.handed = true
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

// times is when the newest sample was measured, for the policy.
func (l *Loop) times() residual.When {
	m := l.sample.Measured
	if len(m) == 0 || l.cfg.Step == 0 {
		return residual.When{Steps: 1}
	}
	now, step := m[0], float64(l.cfg.Step)
	w := residual.When{Steps: 1, Ages: l.measured[:0]}
	if !l.cfg.LockStep { // where nothing moves until the command is there, every sample is one step and the arm is fresh
		now = l.cfg.StampNow()
		if !l.told.IsZero() {
			w.Steps = float64(m[0].Sub(l.told)) / step
		}
	}
	for _, t := range m {
		w.Ages = append(w.Ages, float64(now.Sub(t))/step)
	}
	l.told, l.measured = m[0], w.Ages
	return w
}

// write hands the command over, unless what was decided at the start of the tick does not hold any more: the policy may
// have taken a while. Then the state machine decides anew.
func (l *Loop) write(ctx context.Context, rec *Record) error {
	permit := Permit{l, l.fate.begin(), l.generation, l.expires}
	if permit.Err() == nil {
		if err := l.robot.Write(l.command, permit); err != nil {
			return &WriteError{Err: err}
		}
		rec.Sent = true
		return nil
	}
	if reason := l.inputs.estop.Load(); reason != nil {
		return &EStopError{Reason: *reason}
	}
	now := l.cfg.Clock.Now()
	v := l.judge(now, rec)
	if v == fresh && !permit.expires.IsZero() && !now.Before(permit.expires) { // to the nanosecond at the limit
		v = stale
	}
	if fault := l.decide(ctx, now, v); fault != nil || l.State() != StateRun {
		return fault
	}
	// Whatever forbade to move was taken back meanwhile: begin anew, as after any other hold.
	fault := l.enterHold(ctx, &HoldRequestError{Reason: "a hold was requested and taken back while the command was " +
		"computed"})
	l.wantResume = true
	return fault
}
