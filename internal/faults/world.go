package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"korr/ros/msgs"
	"korr/ros/transport"
)

const (
	startLimit = 3 * time.Minute  // for a process to get going on a busy machine
	healLimit  = 90 * time.Second // for a recovery
)

// world is everything that a trial needs.
type world struct {
	cfg   *Config
	c     *Case
	root  *root
	judge *judge
	node  transport.Link // the watcher
	arm   *process
	relay *process
	korr  *process
	// bridge is the rosbridge server between the two, which are ROS 1 nodes and a client of it; nil without one
	bridge     *process
	bridgeAddr string
	extra      transport.Link // what a case opened
	trial      int

	armFile string // describes the arm; "" = a Franka
	state   string // folder in which the control node remembers faults
	enable  transport.Client[msgs.SetBoolReq, msgs.SetBoolRes]
	reset   transport.Client[msgs.TriggerReq, msgs.TriggerRes]
	harm    transport.Client[msgs.PerturbReq, msgs.PerturbRes]
	estop   transport.Publisher[msgs.Bool]
	panel   transport.Publisher[msgs.Bool] // of another node
	alive   transport.Publisher[msgs.Header]
	names_  transport.Publisher[msgs.String]
	pulse   func() time.Time // stops the dead-man and says when it spoke last; nil while it is silent
}

func newWorld(ctx context.Context, cfg *Config, c *Case, link string) (w *world, err error) {
	w = &world{cfg: cfg, c: c, judge: &judge{now: time.Now}}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.state, err = os.MkdirTemp("", "korr_faults_*"); err != nil {
		return w, err
	}
	if w.root, err = newRoot(link); err != nil {
		return w, fmt.Errorf("start the master (%s): %w", link, err)
	}
	if c.simTime {
		if err = w.root.simTime(ctx); err != nil {
			return w, err
		}
	}
	if err = w.watch(ctx); err != nil {
		return w, err
	}
	if c.relay {
		if w.relay, err = w.startRelay(); err != nil {
			return w, err
		}
	}
	if w.arm, err = w.startArm(); err != nil {
		return w, err
	}
	if link == Rosbridge {
		if err = w.startBridge(); err != nil {
			return w, err
		}
	}
	if err = w.hears(time.Time{}); err != nil {
		return w, err
	}
	if c.deadman {
		w.press()
	}
	w.korr, err = w.startKorr()
	return w, err
}

// watch connects the watcher.
func (w *world) watch(ctx context.Context) (err error) {
	if w.node, err = w.open(ctx, "faults"); err != nil {
		return err
	}
	topic := msgs.CommandTopic
	if w.c.relay {
		topic = relayTopic
	}
	var errs [10]error
	if w.c.trajectories {
		if w.judge.chain, err = jointChain(); err != nil {
			return err
		}
		errs[0] = transport.Subscribe(w.node, trajectoryTopic, transport.Report, w.judge.trajectory)
	} else {
		errs[0] = transport.Subscribe(w.node, topic, transport.Report, w.judge.command) // Report: none is missed
	}
	if transport.ROS2(w.node) {
		errs[1] = transport.Subscribe(w.node, msgs.RobotStateTopic, transport.Report, func(m *msgs.FrankaRobotState) {
			s, _ := m.State() // lies are told on purpose
			w.judge.arm(s)
		})
	} else {
		errs[1] = transport.Subscribe(w.node, msgs.StateTopic, transport.Report, w.judge.arm)
	}
	errs[2] = transport.Subscribe(w.node, "/korr/action", transport.Report, w.judge.action)
	w.enable, errs[3] = transport.NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](w.node, "/korr/enable")
	w.reset, errs[4] = transport.NewClient[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](w.node, "/korr/reset_fault")
	w.harm, errs[5] = transport.NewClient[msgs.Perturb, msgs.PerturbReq, msgs.PerturbRes](w.node,
		"/"+msgs.SimNode+"/perturb")
	w.estop, errs[6] = transport.Advertise[msgs.Bool](w.node, "/korr/estop", transport.Button)
	w.alive, errs[7] = transport.Advertise[msgs.Header](w.node, "/korr/deadman", transport.Button)
	w.names_, errs[8] = transport.Advertise[msgs.String](w.node, msgs.PartNamesTopic, transport.Report)
	errs[9] = transport.Subscribe(w.node, msgs.TFTopic, transport.Report, w.judge.frames)
	return errors.Join(errs[:]...)
}

func (w *world) open(ctx context.Context, name string) (transport.Link, error) {
	n, err := w.root.names(name)
	if err != nil {
		return nil, err
	}
	return transport.Open(ctx, transport.Config{Names: n, Poll: 200 * time.Millisecond})
}

// env is the environment of every process of the world.
func (w *world) env() []string {
	return slices.Concat(os.Environ(), []string{"XDG_STATE_HOME=" + w.state}, w.root.env())
}

func (w *world) startArm() (*process, error) {
	args := w.root.part(w.cfg.Arm)
	if w.c.relay {
		args = append(args, msgs.CommandTopic+":="+relayTopic)
	}
	return start(w.env(), args...)
}

func (w *world) startRelay() (*process, error) { return start(w.env(), w.root.part(w.cfg.Relay)...) }

func (w *world) startKorr() (*process, error) {
	args := append([]string{}, w.cfg.Korr...)
	if (w.c.joints || w.bridge != nil) && w.armFile == "" {
		var err error
		if w.armFile, err = writeJointArm(w.c.trajectories); err != nil {
			return nil, err
		}
	}
	args = append(args, "run", "--yes", "--log-format", "json", "--rate", fmt.Sprint(w.cfg.Rate),
		"--set", "run.tracking_error=0") // the toy arm does not reach every pose
	if w.armFile != "" {
		args = append(args, "--arm", w.armFile)
	}
	if w.bridge != nil {
		args = append(args, w.bridgeArgs()...)
	}
	args = append(args, w.c.args...)
	return start(w.env(), append(args, w.root.korr(w.c.simTime)...)...)
}

// hears waits until the arm has told the watcher its state after t, so that every command that follows can be judged.
func (w *world) hears(t time.Time) error {
	for end := time.Now().Add(startLimit); !w.judge.heard().After(t); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("the arm tells nothing; it said last:\n%s", w.arm.tail())
		}
	}
	return nil
}

// period is the control period.
func (w *world) period() time.Duration { return time.Duration(float64(time.Second) / w.cfg.Rate) }

// commanded waits until the arm has been commanded n times from now on, and goes on being so. What holds it meanwhile
// is the machine: it is enabled again.
func (w *world) commanded(ctx context.Context, n int, limit time.Duration) error {
	from, asked := w.judge.commands(), time.Time{}
	for end := time.Now().Add(limit); w.judge.commands() < from+n ||
		w.korr.state() != "RUN"; time.Sleep(5 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the arm was not commanded within %v; korr said last:\n%s  and the arm:\n%s", limit, w.korr.tail(),
				w.arm.tail())
		}
		if s := w.korr.state(); s == "HOLD" && time.Since(asked) > time.Second {
			asked = time.Now()
			_ = w.enabled(ctx)
		}
	}
	return nil
}

// enabled calls ~enable once.
func (w *world) enabled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := w.enable.Call(ctx, &msgs.SetBoolReq{Data: true})
	if err == nil && !r.Success {
		err = errors.New(r.Message)
	}
	return err
}

// restored calls ~reset_fault and then ~enable, as an operator does, until both are granted.
func (w *world) restored(ctx context.Context) error {
	time.Sleep(3 * w.period()) // what is set right has to arrive
	return w.persist(ctx, func(ctx context.Context) error {
		r, err := w.reset.Call(ctx, &msgs.TriggerReq{})
		if err == nil && !r.Success && !strings.Contains(r.Message, "no fault") {
			err = errors.New("~reset_fault: " + r.Message)
		}
		if err != nil {
			return err
		}
		if err = w.enabled(ctx); err != nil {
			return err
		}
		if time.Sleep(w.period()); w.korr.state() == fault { // a lie that was believed meanwhile: the truth is the next leap
			return errors.New("a fault again after ~reset_fault")
		}
		return nil
	})
}

// persist tries until f succeeds.
func (w *world) persist(ctx context.Context, f func(context.Context) error) error {
	for end := time.Now().Add(healLimit); ; time.Sleep(50 * time.Millisecond) {
		once, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := f(once)
		cancel()
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
	}
}

// inject asks the arm for an injection and returns when it came into force, by the arm's own log.
func (w *world) inject(ctx context.Context, kind, target string, value ...float64) (time.Time, error) {
	from := w.arm.count()
	if err := w.perturb(ctx, kind, target, value...); err != nil {
		return time.Time{}, err
	}
	l, err := w.arm.after(from, 5*time.Second, func(l *line) bool { return l.Msg == "injection" })
	return l.Time, err
}

func (w *world) perturb(ctx context.Context, kind, target string, value ...float64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := w.harm.Call(ctx, &msgs.PerturbReq{Kind: kind, Target: target, Value: value})
	if err == nil && !r.Success {
		err = errors.New(r.Message)
	}
	return err
}

// press holds the dead-man down.
func (w *world) press() {
	stop, last := make(chan struct{}), make(chan time.Time)
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var at time.Time
		for {
			select {
			case <-stop:
				last <- at
				return
			case <-tick.C:
				at = time.Now()
				w.alive.Write(&msgs.Header{Stamp: at})
			}
		}
	}()
	w.pulse = func() time.Time {
		close(stop)
		w.pulse = nil
		return <-last
	}
}

func (w *world) close() {
	if w.pulse != nil {
		w.pulse()
	}
	for _, p := range []*process{w.korr, w.bridge, w.relay, w.arm} {
		if p != nil {
			p.kill()
		}
	}
	for _, n := range []transport.Link{w.extra, w.node} {
		if n != nil {
			_ = n.Close()
		}
	}
	if w.root != nil {
		w.root.kill()
	}
	if w.state != "" {
		_ = os.RemoveAll(w.state)
	}
	if w.armFile != "" {
		_ = os.Remove(w.armFile)
	}
}
