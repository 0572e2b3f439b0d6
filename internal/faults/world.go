package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
	"korr/ros/xmlrpc"
)

const (
	startLimit = 3 * time.Minute  // for a process to get going on a busy machine
	healLimit  = 90 * time.Second // for a recovery
)

// root is a master that can be killed and started again at the same address.
type root struct {
	kind     string // the link; rosbridge has the embedded one behind it
	addr     string
	embedded *master.Master
	debian   *exec.Cmd
}

func newRoot(link string) (*root, error) {
	var err error
	for range 5 { // another process may take the port in between
		addr, e := freeAddr()
		if e != nil {
			return nil, e
		}
		r := &root{kind: link, addr: addr}
		if err = r.start(); err == nil {
			return r, nil
		}
		r.kill()
	}
	return nil, fmt.Errorf("no port of the loopback interface stays free: %w", err)
}

// freeAddr is an address of the loopback interface where nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

func (r *root) uri() string { return "http://" + r.addr }

func (r *root) start() (err error) {
	if r.kind != Rosmaster {
		r.embedded, err = master.Start(master.Config{Addr: r.addr})
		return err
	}
	_, port, _ := net.SplitHostPort(r.addr)
	r.debian = exec.Command(rosmaster, "--core", "-p", port)
	r.debian.Env = append(os.Environ(), "ROS_MASTER_URI="+r.uri(), "ROS_IP=127.0.0.1", "ROS_HOME="+os.TempDir())
	if err := r.debian.Start(); err != nil {
		return err
	}
	client := xmlrpc.NewClient(r.uri(), time.Second)
	for end := time.Now().Add(startLimit); ; time.Sleep(20 * time.Millisecond) {
		if _, _, err = client.CallROS(context.Background(), "getPid", "/faults"); err == nil || time.Now().After(end) {
			return err
		}
	}
}

func (r *root) kill() {
	if r.embedded != nil {
		_ = r.embedded.Close()
		r.embedded = nil
	}
	if r.debian != nil {
		_ = r.debian.Process.Kill()
		_ = r.debian.Wait()
		r.debian = nil
	}
}

// world is everything that a trial needs.
type world struct {
	cfg   *Config
	c     *Case
	root  *root
	judge *judge
	node  *node.Node // the watcher
	arm   *process
	relay *process
	korr  *process
	// bridge is the rosbridge server between the two, which are ROS 1 nodes and a client of it; nil without one
	bridge     *process
	bridgeAddr string
	extra      *node.Node // what a case opened
	trial      int

	armFile string // describes the arm; "" = a Franka
	state   string // folder in which the control node remembers faults
	enable  *node.Client[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes]
	reset   *node.Client[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes]
	harm    *node.Client[msgs.Perturb, msgs.PerturbReq, msgs.PerturbRes]
	estop   *node.Publisher[msgs.Bool]
	panel   *node.Publisher[msgs.Bool] // of another node
	alive   *node.Publisher[msgs.Header]
	names_  *node.Publisher[msgs.String]
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
		if _, _, err = xmlrpc.NewClient(w.root.uri(), 5*time.Second).CallROS(ctx, "setParam", "/faults", "/use_sim_time", true); err != nil {
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
		errs[0] = node.Subscribe(w.node, trajectoryTopic, w.judge.trajectory)
	} else {
		errs[0] = node.Subscribe(w.node, topic, w.judge.command)
	}
	errs[1] = node.Subscribe(w.node, msgs.StateTopic, w.judge.arm)
	errs[2] = node.Subscribe(w.node, "/korr/action", w.judge.action)
	w.enable, errs[3] = node.NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](w.node, "/korr/enable")
	w.reset, errs[4] = node.NewClient[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](w.node, "/korr/reset_fault")
	w.harm, errs[5] = node.NewClient[msgs.Perturb, msgs.PerturbReq, msgs.PerturbRes](w.node, "/"+msgs.SimNode+"/perturb")
	w.estop, errs[6] = node.Advertise[msgs.Bool](w.node, "/korr/estop", false)
	w.alive, errs[7] = node.Advertise[msgs.Header](w.node, "/korr/deadman", false)
	w.names_, errs[8] = node.Advertise[msgs.String](w.node, msgs.PartNamesTopic, false)
	errs[9] = node.Subscribe(w.node, msgs.TFTopic, w.judge.frames)
	return errors.Join(errs[:]...)
}

func (w *world) open(ctx context.Context, name string) (*node.Node, error) {
	n, err := names.New(name, w.root.uri())
	if err != nil {
		return nil, err
	}
	n.Host = "127.0.0.1"
	return node.Open(ctx, node.Config{Names: n, Poll: 200 * time.Millisecond})
}

func (w *world) env() []string {
	return append(os.Environ(), "ROS_MASTER_URI="+w.root.uri(), "ROS_IP=127.0.0.1", "XDG_STATE_HOME="+w.state)
}

func (w *world) startArm() (*process, error) {
	args := append([]string{}, w.cfg.Arm...)
	if w.c.relay {
		args = append(args, msgs.CommandTopic+":="+relayTopic)
	}
	return start(w.env(), args...)
}

func (w *world) startRelay() (*process, error) { return start(w.env(), w.cfg.Relay...) }

func (w *world) startKorr() (*process, error) {
	args := append([]string{}, w.cfg.Korr...)
	if (w.c.joints || w.bridge != nil) && w.armFile == "" {
		var err error
		if w.armFile, err = writeJointArm(w.c.trajectories); err != nil {
			return nil, err
		}
	}
	args = append(args, "run", "--yes", "--wait", "--log-format", "json", "--rate", fmt.Sprint(w.cfg.Rate),
		"--set", "run.tracking_error=0") // the toy arm does not reach every pose
	if w.armFile != "" {
		args = append(args, "--arm", w.armFile)
	}
	if w.bridge != nil {
		args = append(args, w.bridgeArgs()...)
	}
	return start(w.env(), append(args, w.c.args...)...)
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
	for end := time.Now().Add(limit); w.judge.commands() < from+n || w.korr.state() != "RUN"; time.Sleep(5 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("the arm was not commanded within %v; korr said last:\n%s  and the arm:\n%s", limit, w.korr.tail(), w.arm.tail())
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
		return w.enabled(ctx)
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
	for _, n := range []*node.Node{w.extra, w.node} {
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
