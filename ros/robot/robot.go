package robot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"korr/residual/loop"
	"korr/residual/shield"
	"korr/ros/msgs"
	"korr/ros/transport"
)

// Supervisor is told what stops the robot, and asked how it goes; loop.Loop is one.
type Supervisor interface {
	EStop(reason string)
	RequestHold(reason string)
	Block(reason string)
	Enable(on bool)
	Stops() uint64
	Status() loop.Status
}

// Robot is the arm over ROS. It implements loop.Robot; those methods are for the loop's goroutine.
type Robot struct {
	cfg       Config
	log       *slog.Logger
	link      link
	arm       arm
	resets    transport.Client[msgs.ResetReq, msgs.ResetRes] // nil over rosbridge
	out       *commander                                     // nil when passive
	guard     *guard
	report    *reporter
	recovery  recovery
	wake      chan struct{} // capacity 1: something changed for Wait
	reordered atomic.Uint64 // messages dropped because a newer one was there

	mu        sync.Mutex
	observe   *observer
	newest    set
	stamps    *stampBook   // when each part was seen; nil: nobody asks
	held      *armState    // the newest state of the arm that was believed: what a hold sends
	heard     [3]time.Time // when arm, gripper and parts were, monotonic
	ready     set          // what Read assembles: newest in real time, the newest complete one in lock step
	seq       uint64       // of ready
	since     time.Time    // messages stamped earlier belong to a past episode
	resetting bool         // a simulator is being reset: the arm may leap
	over      chan struct{}
	result    *msgs.SimState
	broken    error
}

var _ loop.Robot = (*Robot)(nil)

// Open connects the control node. The error is a *node.MasterError when there is no master, and a
// *rosbridge.UnreachableError when there is no rosbridge server.
func Open(ctx context.Context, cfg Config) (*Robot, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &Robot{
		cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1), observe: newObserver(&cfg),
		over: make(chan struct{}),
	}
	if cfg.PartStamps {
		r.stamps = newStampBook(cfg.Parts)
	}
	r.guard = newGuard(&cfg)
	if r.link, err = open(ctx, &cfg, r.guard); err != nil {
		return nil, err
	}
	r.log = r.link.Logger()
	r.guard.start(r.link, r.forget)
	if err := r.register(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// register makes topics, services and action clients.
func (r *Robot) register() (err error) {
	if r.cfg.Arm != nil {
		r.arm, err = newJointArm(r.cfg.Arm)
	} else {
		r.arm = newFrankaArm(&r.cfg)
	}
	if err != nil {
		return err
	}
	if r.report, err = newReporter(r); err != nil {
		return err
	}
	if !r.cfg.Passive {
		if r.out, err = newCommander(r.link, r.arm, &r.cfg, r.guard.hold, r.fail); err != nil {
			return err
		}
	}
	if transport.Graph(r.link) {
		reset := r.cfg.Sim + "/reset"
		if r.resets, err = transport.NewClient[msgs.Reset, msgs.ResetReq, msgs.ResetRes](r.link, reset); err != nil {
			return err
		}
		if err := transport.Subscribe(r.link, r.cfg.Sim+"/state", transport.Latched, r.onSim); err != nil {
			return err
		}
	}
	if r.stamps != nil {
		if err := transport.Subscribe(r.link, msgs.TFTopic, transport.Report, r.onTF); err != nil {
			return err
		}
	}
	return errors.Join(
		transport.Subscribe(r.link, msgs.PartNamesTopic, transport.Latched, r.onNames),
		r.arm.watch(r.link, r),
		transport.Subscribe(r.link, msgs.PartsTopic, transport.State, r.onParts),
		r.recovery.connect(r.link, &r.cfg),
		r.guard.register(r.link, r.recover),
	)
}

// kind names the machine.
func (r *Robot) kind() string {
	if r.cfg.Arm != nil {
		return r.cfg.Arm.Name
	}
	return "franka"
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
	if r.report != nil {
		r.report.close()
	}
	return r.link.Close()
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

// repair lets Read try again after an error that ended the loop; what is still wrong comes back at once.
func (r *Robot) repair() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !errors.Is(r.broken, ErrClosed) {
		r.broken = nil
	}
}

// ages are the times since arm, gripper and parts were heard, s; negative when they never were.
func (r *Robot) ages() (arm, gripper, parts float64) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var age [3]float64
	for i, t := range r.heard {
		if age[i] = now.Sub(t).Seconds(); t.IsZero() {
			age[i] = -1
		}
	}
	return age[0], age[1], age[2]
}

// Read implements loop.Robot.
func (r *Robot) Read(s *loop.Sample) error {
	if err := r.link.Err(); err != nil {
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
	s.Stamp, s.Seq, s.Came = r.ready.stamp(), r.seq, r.heard[0]
	s.Sources = append(
		s.Sources, loop.Source{Name: "arm", Stamp: r.ready.arm.head.Stamp, Came: r.heard[0]},
		loop.Source{Name: "gripper", Stamp: r.ready.fingers.stamp, Came: r.heard[1]},
		loop.Source{Name: "parts", Stamp: r.ready.parts.Header.Stamp, Came: r.heard[2]},
	)
	if r.stamps != nil {
		s.Measured = append(s.Measured, r.ready.arm.head.Stamp)
		for i := range r.cfg.Parts {
			s.Measured = append(s.Measured, r.stamps.of(i, r.ready.parts.Header.Stamp))
		}
	}
	if r.out != nil {
		r.out.answering(r.ready.arm.head)
	}
	return nil
}

// Wait implements loop.Robot. In lock step it blocks at the end of an episode until the next one's first observation.
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
		case <-r.link.Done():
			return r.link.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Write implements loop.Robot. A passive robot writes nothing, and goes on as if it had.
func (r *Robot) Write(cmd []float32, permit loop.Permit) error {
	if r.out == nil {
		_ = permit.Take() // one that lapses right now would not have gone out
		return nil
	}
	return r.out.write(cmd, permit)
}

// Hold implements loop.Robot: it publishes, once, that the arm is to stay where it was last believed to be. Where it
// was long ago is not where it is: then nothing is sent, nor by a passive robot, nor without any such state.
func (r *Robot) Hold(ctx context.Context, limits *shield.Shield) error {
	if r.out == nil {
		return nil
	}
	r.mu.Lock()
	a := r.held
	r.mu.Unlock()
	if a == nil {
		r.out.drop()
		return nil
	}
	if age := time.Since(a.came); !r.cfg.LockStep && age > r.heldAge() {
		r.out.drop()
		r.log.Warn("the arm keeps its last command: where it is was not told for too long to send that", "age", age)
		return nil
	}
	if err := limits.CheckHold(a.pose); err != nil {
		r.out.drop()
		return fmt.Errorf("the arm keeps its last command: %w", err)
	}
	return r.out.hold(ctx, a)
}

// heldAge is how long ago the arm may have told where it is for that to be sent: a hold comes after three periods.
func (r *Robot) heldAge() time.Duration {
	return max(time.Second, 4*time.Duration(r.report.period.Load()))
}
