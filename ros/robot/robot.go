package robot

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/node"
)

// Supervisor is told what stops the robot; loop.Loop is one.
type Supervisor interface {
	EStop(reason string)
	RequestHold(reason string)
	Enable(on bool)
}

// Robot is the arm over ROS. It implements loop.Robot and loop.Waiter; those methods are for the loop's goroutine.
type Robot struct {
	cfg    Config
	log    *slog.Logger
	node   *node.Node
	resets *node.Client[msgs.Reset, msgs.ResetReq, msgs.ResetRes]
	out    *commander
	guard  *guard
	wake   chan struct{} // capacity 1: something changed for Wait

	mu      sync.Mutex
	observe *observer
	newest  set
	ready   set       // what Read assembles: newest in real time, the newest complete one in lock step
	seq     uint64    // of ready
	since   time.Time // messages stamped earlier belong to a past episode
	over    chan struct{}
	result  *msgs.SimState
	broken  error
}

var (
	_ loop.Robot  = (*Robot)(nil)
	_ loop.Waiter = (*Robot)(nil)
)

// Open connects the control node. The error is a *node.MasterError when there is no master.
func Open(ctx context.Context, cfg Config) (*Robot, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Robot{cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1), observe: newObserver(cfg.Parts, cfg.ReportedTwist), over: make(chan struct{})}
	r.guard = newGuard(cfg.Deadman)
	r.node, err = node.Open(ctx, node.Config{Names: cfg.Names, Logger: cfg.Logger, Wait: cfg.Wait, Poll: cfg.Poll, OnMaster: r.guard.master})
	if err != nil {
		r.guard.close()
		return nil, err
	}
	if err := r.register(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// register makes topics, services and action clients.
func (r *Robot) register() (err error) {
	if r.out, err = newCommander(r.node, &r.cfg, r.guard.hold, r.fail); err != nil {
		return err
	}
	if r.resets, err = node.NewClient[msgs.Reset, msgs.ResetReq, msgs.ResetRes](r.node, r.cfg.Sim+"/reset"); err != nil {
		return err
	}
	return errors.Join(
		node.Subscribe(r.node, msgs.PartNamesTopic, r.onNames),
		node.Subscribe(r.node, msgs.StateTopic, r.onFranka),
		node.Subscribe(r.node, msgs.FingerTopic, func(m *msgs.JointState) { r.store(func(s *set) { s.fingers = m }, false) }),
		node.Subscribe(r.node, msgs.PartsTopic, func(m *msgs.PoseArray) { r.store(func(s *set) { s.parts = m }, false) }),
		node.Subscribe(r.node, r.cfg.Sim+"/state", r.onSim),
		r.guard.register(r.node, r.cfg.OnResetFault),
	)
}

// Attach names the loop that is told what happens, from now on and about an emergency stop that came before.
func (r *Robot) Attach(s Supervisor) { r.guard.attach(s) }

// Close disconnects. The arm stays where the last command put it; hold first.
func (r *Robot) Close() error {
	r.fail(ErrClosed)
	r.guard.close()
	if r.out != nil {
		r.out.close()
	}
	return r.node.Close()
}

// fail makes Read and Wait return err from now on.
func (r *Robot) fail(err error) {
	r.mu.Lock()
	if r.broken == nil {
		r.broken = err
	}
	r.mu.Unlock()
	r.notify()
}

func (r *Robot) notify() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Robot) onNames(m *msgs.String) {
	r.mu.Lock()
	err := r.observe.named(m.Data)
	r.mu.Unlock()
	if err != nil {
		r.fail(err)
	}
}

func (r *Robot) onFranka(m *msgs.FrankaState) {
	r.guard.mode(m)
	r.store(func(s *set) { s.franka = m }, true)
}

func (r *Robot) onSim(m *msgs.SimState) {
	r.mu.Lock()
	if m.Over() && !m.Header.Stamp.Before(r.since) && r.result == nil {
		r.result = m
		close(r.over)
	}
	r.mu.Unlock()
	r.store(func(s *set) { s.sim = m }, false)
}

// store keeps a message and notices a new observation: with every message of the arm in real time, with the last
// message of a stamp in lock step.
func (r *Robot) store(put func(*set), arm bool) {
	r.mu.Lock()
	put(&r.newest)
	fresh, again := false, false
	switch {
	case !r.newest.whole() || r.newest.franka.Header.Stamp.Before(r.since):
	case !r.cfg.LockStep:
		r.ready = r.newest
		fresh = arm
	case !r.newest.aligned() || r.newest.sim.Over():
	case r.ready.franka != nil && r.ready.stamp().Equal(r.newest.stamp()):
		again = arm // the simulator repeats what it has no answer to
	default:
		r.ready = r.newest
		fresh = true
	}
	if fresh {
		r.seq++
	}
	r.mu.Unlock()
	if fresh {
		r.notify()
	}
	if again {
		r.out.repeat()
	}
}

// Read implements loop.Robot.
func (r *Robot) Read(s *loop.Sample) error {
	if err := r.node.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken != nil || !r.ready.whole() { // none, or none of this episode yet
		return r.broken
	}
	if err := r.observe.observeTo(s.Obs, &r.ready); err != nil {
		return err
	}
	s.Stamp, s.Seq = r.ready.stamp(), r.seq
	r.out.answering(r.ready.franka.Header)
	return nil
}

// Wait implements loop.Waiter. In lock step it blocks at the end of an episode until the next one's first observation.
func (r *Robot) Wait(ctx context.Context, after uint64) error {
	for {
		r.mu.Lock()
		there, err := r.ready.whole() && r.seq != after, r.broken
		r.mu.Unlock()
		if err != nil || there {
			return err
		}
		select {
		case <-r.wake:
		case <-r.node.Done():
			return r.node.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Write implements loop.Robot.
func (r *Robot) Write(cmd []float32) error { return r.out.write(cmd) }

// Hold implements loop.Robot: it publishes the measured pose once. Without any measurement nothing was ever sent, and
// nothing is.
func (r *Robot) Hold(ctx context.Context) error {
	r.mu.Lock()
	f := r.newest.franka
	r.mu.Unlock()
	if f == nil {
		r.out.drop()
		return nil
	}
	return r.out.hold(ctx, measured(f))
}
