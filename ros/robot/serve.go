package robot

import (
	"cmp"
	"context"
	"errors"

	"korr/residual/loop"
	"korr/ros/node"
)

// newLoop makes a loop that reports on ~action and ~status and keeps the time of the messages.
func (r *Robot) newLoop(policy loop.Stepper, cfg loop.Config) (*loop.Loop, error) {
	if cfg.LockStep != r.cfg.LockStep {
		return nil, errors.New("robot: the loop and the robot differ in LockStep")
	}
	if then := cfg.OnTick; then != nil {
		cfg.OnTick = func(rec *loop.Record) {
			r.report.ticks.push(rec)
			then(rec)
		}
	} else {
		cfg.OnTick = r.report.ticks.push
	}
	r.report.step.Store(int64(cmp.Or(cfg.Step, cfg.Period)))
	if cfg.StampNow == nil && !cfg.LockStep {
		cfg.StampNow = r.link.Now
	}
	if cfg.LockStep {
		r.report.period.Store(0)
	} else {
		r.report.period.Store(int64(cfg.Period))
	}
	return loop.New(r, policy, cfg)
}

// CountLate adds what f returns to the late chunks that ~status reports: actions that were bridged.
func (r *Robot) CountLate(f func() uint64) { r.report.late.Store(&f) }

// Serve drives the robot with the loop until ctx ends, and returns its error. A fault is kept, with everything still
// reported, until an operator clears it (~reset_fault) and enables the loop again (~enable); only when that cannot
// help, because the node has ended or nothing was ever observed, or when once is set, does a fault end Serve. When ctx
// ends in FAULT the fault is returned, joined with ctx's error. The loop is made known with ready, if that is not nil.
func (r *Robot) Serve(ctx context.Context, policy loop.Stepper, cfg loop.Config,
	once bool, ready func(*loop.Loop),
) error {
	l, err := r.newLoop(policy, cfg)
	if err != nil {
		return err
	}
	if ready != nil {
		ready(l)
	}
	r.Attach(l)
	if r.cfg.Faulted == "" {
		l.Enable(true)
	} else {
		r.log.Warn("the run before ended in FAULT, which nobody reset: ~enable starts this one", "fault", r.cfg.Faulted)
	}
	for {
		fault := l.Run(ctx)
		if l.State() == loop.StateFault && r.cfg.OnFault != nil {
			r.cfg.OnFault(fault)
		}
		if once || ctx.Err() != nil || r.hopeless(fault) {
			return fault
		}
		r.log.Error("FAULT: call ~reset_fault, then ~enable, once the cause is gone", "cause", fault)
		if err := r.awaitReset(ctx, l, policy); err != nil {
			return errors.Join(fault, err)
		}
		r.log.Warn("the fault was reset; ~enable makes the robot move again")
	}
}

// hopeless reports whether no reset can clear a fault.
func (r *Robot) hopeless(fault error) bool {
	var silent *loop.SilenceError
	return r.link.Err() != nil || errors.As(fault, &silent) || errors.Is(fault, ErrClosed) ||
		errors.Is(fault, node.ErrReplaced)
}

// awaitReset returns once an operator reset the loop's fault.
func (r *Robot) awaitReset(ctx context.Context, l *loop.Loop, policy loop.Stepper) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.link.Done():
			return r.link.Err()
		case q := <-r.guard.resets:
			r.repair()
			policy.Replan()
			err := l.Reset(q.seen)
			if err == nil && r.cfg.OnReset != nil {
				r.cfg.OnReset()
			}
			q.reply <- err
			if err == nil {
				return nil
			}
		}
	}
}

// Status is the state of the loop that was attached last; the zero value before there is one.
func (r *Robot) Status() loop.Status {
	r.guard.mu.Lock()
	s := r.guard.loop
	r.guard.mu.Unlock()
	if s == nil {
		return loop.Status{}
	}
	return s.Status()
}
