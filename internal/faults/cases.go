package faults

import (
	"context"
	"os"
	"slices"
	"syscall"
	"time"

	"korr/ros/msgs"
)

// Case is one fault.
type Case struct {
	Name     string
	State    string   // that it leads to
	Recovery string   // how the arm is commanded again; every trial does it
	says     []string // one of which the operator reads
	first    string   // what a HOLD on the way to FAULT says; it counts as the stop

	args                    []string // of korr run, besides
	simTime, relay, deadman bool
	joints                  bool  // an arm of joint states
	trajectories            bool  // that it takes, instead of poses
	links                   links // that it can happen over
	strike                  func(context.Context, *world) (time.Time, error)
	heal                    func(context.Context, *world) error
}

// links are the ways to the arm that a case can happen over.
type links uint8

const (
	overROS1 links = 1 << iota
	overROS2
	overBridge

	everyLink links = 0                     // as good as all of them
	natively        = overROS1 | overROS2   // the graph of nodes, simulated time, a Franka's topics: rosbridge lacks them
	oneByName       = overROS1 | overBridge // a node that takes another's name ends it, on ROS 1's side
)

// Over reports whether the case can happen over a link.
func (c *Case) Over(link string) bool {
	of := overROS1
	switch link {
	case ROS2:
		of = overROS2
	case Rosbridge:
		of = overBridge
	}
	return c.links == everyLink || c.links&of != 0
}

// over marks cases that can happen over some links only.
func over(l links, cases ...Case) []Case {
	for i := range cases {
		cases[i].links = l
	}
	return cases
}

const (
	byItself = "by itself (run.resume)"
	enabling = "`~enable`"
	resets   = "`~reset_fault`, `~enable`"
)

// injection is a case of one of the simulator's injections.
func injection(name, state, recovery string, says []string, kind, target string, value ...float64) Case {
	return Case{
		Name: name, State: state, Recovery: recovery, says: says,
		strike: func(ctx context.Context, w *world) (time.Time, error) { return w.inject(ctx, kind, target, value...) },
		heal: func(ctx context.Context, w *world) error {
			if err := w.perturb(ctx, msgs.PerturbClear, ""); err != nil || state != fault {
				return err
			}
			return w.restored(ctx)
		},
	}
}

const (
	hold  = "HOLD"
	fault = "FAULT"
)

var (
	old = []string{"too old to move on"}
	// ROS 2 misses the answer to a command before the state
	gone = []string{"is gone", "too old to move on", "nobody listens"}
)

// Cases is the matrix.
func Cases() []Case {
	cases := []Case{
		{
			Name: "master killed", State: hold, Recovery: "master restarted; " + enabling, says: []string{"master is lost"},
			links: overROS1,
			strike: func(_ context.Context, w *world) (time.Time, error) {
				at := time.Now()
				w.root.kill()
				return at, nil
			},
			heal: func(ctx context.Context, w *world) error {
				if err := w.root.start(); err != nil {
					return err
				}
				// everybody registers within a second and then connects; a state from before does not count
				time.Sleep(2 * time.Second)
				if err := w.hears(time.Now()); err != nil {
					return err
				}
				return w.persist(ctx, w.enabled)
			},
		},
		{
			Name: "publisher killed", State: hold, Recovery: "arm's node started again; " + enabling, says: gone,
			strike: func(_ context.Context, w *world) (time.Time, error) {
				at := time.Now()
				w.arm.kill()
				return at, nil
			},
			heal: restartArm,
		},
		{
			Name: "publisher frozen (SIGSTOP)", State: hold, says: gone,
			Recovery: "SIGCONT; " + byItself + ", or " + enabling + " where nobody listened meanwhile",
			strike: func(_ context.Context, w *world) (time.Time, error) {
				return time.Now(), w.arm.signal(syscall.SIGSTOP)
			},
			heal: func(_ context.Context, w *world) error { return w.arm.signal(syscall.SIGCONT) },
		},
		{
			Name: "publisher replaced by a node of its name that speaks", State: hold, says: gone, links: overROS1,
			Recovery: enabling + "; before it `~reset_fault` if the new arm is elsewhere: that is a leap",
			strike: func(_ context.Context, w *world) (at time.Time, err error) {
				old := w.arm
				if w.arm, err = w.startArm(); err != nil {
					return at, err
				}
				if err = old.ended(startLimit); err != nil {
					return at, err
				}
				l, err := old.after(0, time.Second, func(l *line) bool { return l.Msg == replaced })
				return l.Time, err
			},
			heal: func(ctx context.Context, w *world) error {
				if err := w.hears(time.Now()); err != nil {
					return err
				}
				return w.restored(ctx)
			},
		},
		{
			Name: "publisher replaced by a node of its name that is silent", State: hold,
			Recovery: "arm's node started again; " + enabling, says: gone, links: oneByName,
			strike: func(ctx context.Context, w *world) (at time.Time, err error) {
				if w.extra, err = w.open(ctx, msgs.SimNode); err != nil {
					return at, err
				}
				if err = w.arm.ended(startLimit); err != nil {
					return at, err
				}
				l, err := w.arm.after(0, time.Second, func(l *line) bool { return l.Msg == replaced })
				return l.Time, err
			},
			heal: func(ctx context.Context, w *world) error {
				_ = w.extra.Close()
				w.extra = nil
				return restartArm(ctx, w)
			},
		},
		injection("observation delayed by 0.5 s", hold, "delay ends; "+byItself, old, msgs.PerturbDelay, "", 0.5),
		injection("observation stamped 1 s in the past", hold, "stamps right; "+byItself, old, msgs.PerturbStamp, "", -1),
		injection("observation stamped 1 s in the future", hold, "stamps right; "+byItself, []string{"in the future"},
			msgs.PerturbStamp, "", 1),
		injection("observation lost", hold, "comes again; "+byItself, old, msgs.PerturbLoss, "", 1),
		injection("observation stuck (the same message again)", hold, "moves on; "+byItself, old, msgs.PerturbStuck, "", 0),
		over(natively, injection("arm's pose NaN", fault, "pose right; "+resets,
			[]string{"not finite"}, msgs.PerturbNaN, "arm"))[0],
		held(injection("a part's pose NaN", hold, "pose right; "+enabling, []string{"is lost: its pose is not finite"},
			msgs.PerturbNaN, "parts")),
		injection("parts of the wrong length", fault, "length right; "+resets, []string{"carries 35 values, want 42"},
			msgs.PerturbLength, "parts"),
		over(natively, injection("gripper of the wrong length", fault, "length right; "+resets,
			[]string{"carries 1 values, want 2"}, msgs.PerturbLength, "gripper"))[0],
		injection("parts reordered in silence", fault, "order right; "+resets, []string{"changed places"},
			msgs.PerturbReorder, ""),
		renamed("parts reordered (part_names changed)", "obstacle,leg4,leg3,leg2,leg1,top", "changed its order"),
		renamed("other parts (part_names changed)", "base,bulb,hood,obstacle", "the policy needs"),
		over(natively, injection("arm in a reflex", fault, "arm recovered; "+resets,
			[]string{"reflex"}, msgs.PerturbMode, "", 4))[0],
		{
			Name: "subscriber killed", State: hold, Recovery: "arm's controller started again; " + enabling,
			says: []string{"nobody listens"}, relay: true, links: natively,
			strike: func(_ context.Context, w *world) (time.Time, error) {
				at := time.Now()
				w.relay.kill()
				return at, nil
			},
			heal: func(ctx context.Context, w *world) (err error) {
				if err = w.refuses(ctx, "~enable"); err != nil {
					return err
				}
				if w.relay, err = w.startRelay(); err != nil {
					return err
				}
				return w.persist(ctx, w.enabled)
			},
		},
		clockJump("clock jumped back (use_sim_time)", -60, "jumped back", "in the future"),
		clockJump("clock jumped forward (use_sim_time)", 60, "jumped forward", "too old"),
		{
			Name: "control node paused 1 s (SIGSTOP) and resumed", State: hold, Recovery: enabling +
				", or by itself after old observations", says: []string{"missed in a row", "too old", "silent"},
			strike: func(_ context.Context, w *world) (time.Time, error) {
				if err := w.korr.signal(syscall.SIGSTOP); err != nil {
					return time.Time{}, err
				}
				time.Sleep(time.Second)
				return time.Now(), w.korr.signal(syscall.SIGCONT)
			},
			heal: func(ctx context.Context, w *world) error { return w.persist(ctx, w.enabled) },
		},
		{
			Name: "control node replaced by a node of its name", State: fault,
			Recovery: "the node ends (code 4); started again it waits for `~enable`", says: []string{"took this node's name"},
			first: "nobody listens", links: overROS1,
			strike: func(ctx context.Context, w *world) (at time.Time, err error) {
				at = time.Now()
				w.extra, err = w.open(ctx, "korr")
				return at, err
			},
			heal: func(ctx context.Context, w *world) (err error) {
				if err := w.korr.ended(healLimit); err != nil {
					return err
				}
				_ = w.extra.Close()
				w.extra = nil
				if w.korr, err = w.startKorr(); err != nil {
					return err
				}
				return w.persist(ctx, w.enabled)
			},
		},
		stopped("e-stop", "emergency stop"),
		{
			Name: "dead-man released", State: hold, Recovery: "dead-man pressed; " + enabling, says: []string{"dead-man"},
			deadman: true, args: []string{"--deadman"},
			strike: func(_ context.Context, w *world) (time.Time, error) { return w.pulse(), nil },
			heal: func(ctx context.Context, w *world) error {
				w.press()
				return w.persist(ctx, w.enabled)
			},
		},
	}
	cases = slices.Concat(cases, poseLies(), jointLies(), partLies(), sourceFaults(), interlocks(), bridgeFaults())
	if _, err := os.Stat(fullDisk); err == nil {
		c := stopped("e-stop, and the disk full for the flight recorder", "no space left")
		c.args = []string{"--dump", fullDisk}
		cases = append(cases, c)
	}
	return cases
}

// fullDisk is a file that no byte can be written to.
const fullDisk = "/dev/full"

func restartArm(ctx context.Context, w *world) (err error) {
	begun := time.Now()
	if w.arm, err = w.startArm(); err != nil {
		return err
	}
	if err = w.hears(begun); err != nil {
		return err
	}
	return w.persist(ctx, w.enabled)
}

func stopped(name, says string) Case {
	press := func(w *world, on bool) time.Time {
		at := time.Now()
		w.estop.Write(&msgs.Bool{Data: on})
		return at
	}
	return Case{
		Name: name, State: fault, Recovery: "released; " + resets, says: []string{says},
		strike: func(_ context.Context, w *world) (time.Time, error) { return press(w, true), nil },
		heal: func(ctx context.Context, w *world) error {
			press(w, false)
			return w.restored(ctx)
		},
	}
}

// renamed is a tracker that tells another list of parts.
func renamed(name, list, says string) Case {
	return Case{
		Name: name, State: fault, Recovery: "names right; " + resets, says: []string{says},
		strike: func(_ context.Context, w *world) (time.Time, error) {
			at := time.Now()
			w.names_.Write(&msgs.String{Data: list})
			return at, nil
		},
		heal: func(ctx context.Context, w *world) error {
			w.names_.Write(&msgs.String{Data: "top,leg1,leg2,leg3,leg4,obstacle"})
			time.Sleep(w.period())
			return w.restored(ctx)
		},
	}
}

// clockJump is a simulated clock that jumps by some seconds, once more in every trial.
func clockJump(name string, by float64, says ...string) Case {
	return Case{
		Name: name, State: hold, Recovery: enabling, says: says, simTime: true, links: natively,
		strike: func(ctx context.Context, w *world) (time.Time, error) {
			return w.inject(ctx, msgs.PerturbClock, "", by*float64(w.trial+1))
		},
		heal: func(ctx context.Context, w *world) error { return w.persist(ctx, w.enabled) },
	}
}
