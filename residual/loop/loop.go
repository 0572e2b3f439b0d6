package loop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"korr/internal/layout"
	"korr/residual"
	"korr/residual/shield"
)

// Sample is one observation of the robot and its surroundings.
type Sample struct {
	Obs   []float32 // raw observation [ObsDim]; the loop owns the slice, Read copies into it
	Stamp time.Time // when it was measured, by the clock of Config.StampNow; of several sources the oldest
	Came  time.Time // when it arrived, by Config.Clock; zero: when the loop first saw it
	Seq   uint64    // changes with every new sample; 0 means that there is none yet

	// Sources are the messages that it is made of, each with an age of its own. Read appends to the slice, which the loop
	// empties before, for up to MaxSources. Without any, the sample is one message.
	Sources []Source

	// Measured tells when the arm's state and then every part's pose were measured, by the clock of Config.StampNow;
	// empty: nobody tells, and the policy takes all of it for fresh. Read appends to the slice, which the loop empties
	// before.
	Measured []time.Time
}

// MaxSources is how many sources a sample may have without an allocation.
const MaxSources = 4

// Source is one of the messages that a sample is made of.
type Source struct {
	Name  string    // what it tells: "arm", "parts", ...
	Stamp time.Time // as Sample.Stamp
	Came  time.Time // when the newest message with another stamp arrived, by Config.Clock
}

// Robot is the machine, or a simulation of it. The loop calls it from one goroutine.
type Robot interface {
	// Read copies the newest sample into s and never blocks. Without any sample it leaves s alone.
	Read(s *Sample) error
	// Write hands a raw command [shield.CommandDim] over and never blocks. cmd is reused: copy it. Right before the
	// command goes out, now or later, its permit is taken (Permit.Take); one whose permit has lapsed does not go out.
	Write(cmd []float32, permit Permit) error
	// Hold stops safely, where the robot was last believed to be, if limits.CheckHold allows that pose; it may take until
	// ctx ends. Without such a pose nothing is sent.
	Hold(ctx context.Context, limits *shield.Shield) error
	// Wait returns nil once a sample with a Seq other than after is there, or ctx's error. Only lock step waits.
	Wait(ctx context.Context, after uint64) error
}

// Stepper is the policy; [residual.Controller] is one.
type Stepper interface {
	// Prepare begins to plan at the raw observation obs, if nothing is planned yet, and reports whether StepTo has an
	// action. It never waits. While observations are fresh and the loop is about to move, it is asked on every tick until
	// it is ready; only then does the loop enter RUN. Lock step does without: its StepTo may plan.
	Prepare(obs []float32) (ready bool, err error)
	// ReadTimes tells when the observation of the next StepTo was measured.
	ReadTimes(at residual.When)
	// StepTo writes the raw action for the raw observation obs.
	StepTo(act, obs []float32) (residual.Info, error)
	// Executed is told, off the critical path, which raw command was executed: StepTo's own action, or
	// what the shield made of it when it changed the motion.
	Executed(cmd []float32)
	// Replan forgets every plan made so far; the loop calls it whenever it starts to move.
	Replan()
}

// Defaults of Config.
const (
	DefaultObsDim      = layout.State + 6*layout.Pose // one_leg's
	DefaultMaxMisses   = 3
	DefaultRecords     = 256
	DefaultHoldTimeout = time.Second
)

// Config are the loop's settings; zero values take the defaults named.
type Config struct {
	Period          time.Duration    // between ticks; required unless LockStep
	MaxAge          time.Duration    // at which an observation is too old; 3 periods
	FutureTolerance time.Duration    // of a stamp ahead of the clock; 1 period
	MaxMisses       int              // deadlines in a row before HOLD; DefaultMaxMisses
	Resume          bool             // leave HOLD by itself when observations come back
	Patience        time.Duration    // without a usable observation, in INIT or HOLD, before FAULT; 0 = for ever
	HoldTimeout     time.Duration    // for Robot.Hold; DefaultHoldTimeout
	LockStep        bool             // tick on every new Seq instead of the clock
	Step            time.Duration    // of a control step by the stamps, for a policy that reads ages; 0 = Period
	ObsDim          int              // width of the raw observation; DefaultObsDim
	Shield          *shield.Limits   // nil: shield.Default
	Tracking        Tracking         // when an arm that does not follow is a fault; zero: never
	Records         int              // ticks the flight recorder keeps; those of 30 s, at least DefaultRecords
	Dump            io.Writer        // takes the flight recorder as JSON lines on a fault; nil: nothing
	Clock           Clock            // nil: NewWallClock
	StampNow        func() time.Time // clock of the stamps, e.g. simulated time; nil: Clock.Now
	OnTick          func(*Record)    // after every tick in RUN, in the loop's goroutine; must not block or keep the record
	OnState         func(Change)     // after every change of state, in the loop's goroutine
}

// withDefaults checks the configuration and fills it in.
func (c Config) withDefaults() (Config, error) {
	switch {
	case !c.LockStep && c.Period <= 0:
		return c, fmt.Errorf("loop: Period = %v, want > 0", c.Period)
	case c.MaxAge < 0 || c.FutureTolerance < 0 || c.Patience < 0 || c.HoldTimeout < 0 || c.Step < 0 || c.MaxMisses < 0 ||
		c.Records < 0:
		return c, errors.New("loop: a negative limit in Config")
	case c.ObsDim != 0 && c.ObsDim < shield.MeasuredDim:
		return c, fmt.Errorf("loop: ObsDim = %d, the shield reads the first %d", c.ObsDim, shield.MeasuredDim)
	}
	orDefault(&c.MaxAge, 3*c.Period)
	orDefault(&c.FutureTolerance, c.Period)
	orDefault(&c.Step, c.Period)
	orDefault(&c.MaxMisses, DefaultMaxMisses)
	orDefault(&c.HoldTimeout, DefaultHoldTimeout)
	orDefault(&c.ObsDim, DefaultObsDim)
	orDefault(&c.Records, recordsFor(c.Period))
	if c.Clock == nil {
		c.Clock = NewWallClock()
	}
	if c.StampNow == nil {
		c.StampNow = c.Clock.Now
	}
	limits := shield.Default()
	if c.Shield != nil {
		limits = *c.Shield
	}
	c.Shield = &limits
	return c, limits.Validate()
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Loop is the fixed-rate loop. Run owns it; Enable, RequestHold, EStop, State, Cause and Status may be
// called from any goroutine.
type Loop struct {
	robot   Robot
	stepper Stepper
	cfg     Config

	inputs  inputs
	outputs outputs
	fate    fate // of the newest command; the robot settles it

	// Of Run's goroutine alone.
	sample            Sample
	action, command   []float32
	shield            shield.Shield
	recorder          recorder
	open              bool // the recorder's slot holds this tick
	handed            bool // the last command was handed over, and whether it went out was not looked at since
	tracker           tracker
	preparing         bool // Replan was called and RUN is to be entered once the stepper is ready
	held              bool // Hold succeeded since the last RUN
	wantResume        bool // Enable(true) came while holding
	mayResume         bool // the hold ends by itself once observations are fresh
	reanchor          bool // time was lost on purpose (Hold): schedule from now
	streak            int  // deadlines missed in a row
	next, last        time.Time
	newest, lastFresh time.Time       // when Seq last changed; when the sample was last usable
	age, silence      time.Duration   // of the newest sample's oldest source, by stamp and by arrival
	ahead             time.Duration   // how far in the future its youngest source is stamped
	oldest, youngest  string          // those sources
	told              time.Time       // when the arm's state was measured that the stepper was told of last
	measured          []float64       // scratch of times
	generation        uint64          // of the inputs, when the tick began
	expires           time.Time       // when the newest sample will be too old; zero while none is usable
	early             bool            // woken before the release: this tick may hold, and not move
	nudged            context.Context // ends when a hold is requested; of await
}

// New returns a loop in INIT, not enabled.
func New(r Robot, s Stepper, cfg Config) (*Loop, error) {
	if r == nil || s == nil {
		return nil, errors.New("loop: New needs a robot and a stepper")
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	parts := (cfg.ObsDim - layout.State) / layout.Pose
	return &Loop{
		robot: r, stepper: s, cfg: cfg,
		sample: Sample{
			Obs: make([]float32, cfg.ObsDim), Sources: make([]Source, 0, MaxSources), Measured: make([]time.Time, 0, 1+parts),
		},
		measured: make([]float64, 0, 1+parts),
		action:   make([]float32, shield.CommandDim),
		command:  make([]float32, shield.CommandDim),
		shield:   shield.New(*cfg.Shield, cfg.Period.Seconds()),
		recorder: newRecorder(cfg.Records, cfg.ObsDim, shield.CommandDim),
	}, nil
}

// Run is New, Enable(true) and Loop.Run: it moves the robot as soon as observations are fresh.
func Run(ctx context.Context, r Robot, s Stepper, cfg Config) error {
	l, err := New(r, s, cfg)
	if err != nil {
		return err
	}
	l.Enable(true)
	return l.Run(ctx)
}

// Run drives the robot until ctx ends (it holds the robot, disarms and returns ctx's error) or a fault
// (it holds the robot, dumps the flight recorder and returns the fault's typed error, joined with what
// went wrong while stopping). After a fault it refuses with a FaultedError until Reset.
func (l *Loop) Run(ctx context.Context) error {
	if !l.inputs.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.inputs.running.Store(false)
	if l.State() == StateFault {
		return &FaultedError{Cause: l.Cause()}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.inputs.interrupt.Store(&cancel)
	defer l.inputs.interrupt.Store(nil)

	l.begin()
	l.listen(ctx)
	defer l.inputs.nudge.Store(nil)
	for {
		if err := l.await(ctx); err != nil {
			return l.end(ctx, err)
		}
		if fault := l.tick(ctx); fault != nil {
			return l.fault(ctx, fault)
		}
		l.schedule()
	}
}

// begin starts the clocks of a run. Inputs given before Run (Enable, EStop) stand.
func (l *Loop) begin() {
	now := l.cfg.Clock.Now()
	l.next, l.newest, l.lastFresh, l.last = now, now, now, time.Time{}
	l.sample.Seq, l.streak, l.held, l.wantResume, l.preparing, l.early = 0, 0, false, false, false, false
	l.setState(StateInit, nil)
}

// await blocks until the next tick is due.
func (l *Loop) await(ctx context.Context) (err error) {
	defer recoverTo(&err)
	if !l.cfg.LockStep {
		return l.sleep(ctx)
	}
	if l.cfg.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, l.cfg.Patience, &SilenceError{Waited: l.cfg.Patience})
		defer cancel()
	}
	switch err = l.robot.Wait(ctx, l.sample.Seq); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return &ReadError{Err: err}
}

// sleep waits for the next release. It wakes before it when a hold is requested, and in RUN when the newest sample
// turns too old in between: the robot then holds at once, not up to a period later.
func (l *Loop) sleep(ctx context.Context) error {
	until := l.next
	if l.State() == StateRun && l.expires.Before(until) {
		until = l.expires
	}
	if err := l.cfg.Clock.SleepUntil(l.nudged, until); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if l.nudged.Err() == nil { // the clock's own error
			return err
		}
		l.listen(ctx)
	}
	l.early = l.cfg.Clock.Now().Before(l.next)
	return nil
}

// listen makes RequestHold interrupt the next sleep.
func (l *Loop) listen(ctx context.Context) {
	if old := l.inputs.nudge.Load(); old != nil {
		(*old)()
	}
	nudged, cancel := context.WithCancel(ctx)
	l.nudged = nudged
	l.inputs.nudge.Store(&cancel)
	if l.inputs.hold.Load() != nil { // it came in between
		cancel()
	}
}

// end turns what interrupted await into Run's result.
func (l *Loop) end(ctx context.Context, err error) error {
	if reason := l.inputs.estop.Load(); reason != nil {
		return l.fault(ctx, &EStopError{Reason: *reason})
	}
	if ctx.Err() == nil {
		return l.fault(ctx, err)
	}
	l.inputs.enabled.Store(false)
	if l.State() == StateRun {
		if hold := l.holdRobot(ctx); hold != nil {
			return l.fault(ctx, hold)
		}
	}
	l.setState(StateInit, nil)
	return ctx.Err()
}

// oversleep counts the whole periods that the wake-up at now came late by, so that a process that was paused holds
// before it acts.
func (l *Loop) oversleep(now time.Time) {
	if l.cfg.LockStep {
		return
	}
	if skipped := now.Sub(l.next) / l.cfg.Period; skipped > 0 {
		l.next = l.next.Add(skipped * l.cfg.Period)
		l.streak += int(skipped)
		l.outputs.misses.Add(uint64(skipped))
	}
}

// schedule sets the next release, next += Period, and counts it as missed when it has already passed.
func (l *Loop) schedule() {
	if l.cfg.LockStep || l.early && !l.reanchor {
		return
	}
	now := l.cfg.Clock.Now()
	if l.reanchor {
		l.reanchor, l.next, l.last = false, now.Add(l.cfg.Period), time.Time{}
		return
	}
	l.next = l.next.Add(l.cfg.Period)
	late := now.Sub(l.next)
	if late <= 0 {
		l.streak = 0
		return
	}
	skipped := late / l.cfg.Period
	l.next = l.next.Add(skipped * l.cfg.Period)
	l.streak += 1 + int(skipped)
	l.outputs.misses.Add(1 + uint64(skipped))
}
