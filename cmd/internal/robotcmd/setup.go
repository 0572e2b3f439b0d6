package robotcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"korr/basepolicy"
	"korr/basepolicy/remote"
	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/residual/loop"
	"korr/ros/names"
	"korr/ros/robot"
	"korr/sim"
)

// enter finds the node's names and, over ROS 1, its private parameters. Whether anybody can be asked comes first:
// without a terminal nothing needs to be looked for.
func (o *runOptions) enter(ctx context.Context) (*names.Names, error) {
	if o.mustAsk() && !cli.OnTerminal(o.In) {
		return nil, cli.UsageErrorf("this may move an arm and there is no terminal to ask: say --yes, or --dry-run")
	}
	node := "korr"
	if o.shadow {
		node = "korr_shadow" // beside a node korr
	}
	if o.run().Robot == "ros2" {
		n, err := o.ROS2Names(node)
		if err != nil {
			return nil, err
		}
		return n, o.ROS2Params(n)
	}
	n, err := o.ROSNames(node, o.run().Master)
	if err != nil || o.run().Robot != "ros1" {
		return n, err
	}
	return n, o.ROSParams(ctx, n, o.wait)
}

// checkFiles looks at the files of the settings before anything is asked of the network. Private parameters, which a
// launch file gives, may name others: then they are looked at when they are known.
func (o *runOptions) checkFiles() error {
	if err := cli.CheckOutput("--dump", o.dump); err != nil {
		return err
	}
	if len(o.ROSArgs) > 0 {
		return nil
	}
	if name := o.run().Policy; !strings.HasPrefix(name, remote.Prefix) {
		if _, err := o.LoadPolicy(name); err != nil {
			return err
		}
	}
	if o.run().Arm == "" {
		return nil
	}
	_, err := robot.LoadArm(o.run().Arm)
	return cli.Usage(err)
}

// mustAsk reports whether something may move without anybody having agreed.
func (o *runOptions) mustAsk() bool {
	return !o.yes && !o.passive() && !o.lockStep // only a simulator runs in lock step
}

// confirm asks before anything may move.
func (o *runOptions) confirm(n *names.Names) error {
	if !o.mustAsk() {
		return nil
	}
	where := "the ROS master " + n.MasterURI
	switch o.run().Robot {
	case "ros2":
		where = fmt.Sprintf("the ROS 2 domain %d", n.ROS2.Domain)
	case "rosbridge":
		where = "the rosbridge server " + o.run().URL
	}
	fmt.Fprintf(o.Err, "Policy %s will move the arm behind %s. Go on? [y/N] ", o.run().Policy, where)
	answer, err := bufio.NewReader(o.In).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); err == nil && (a == "y" || a == "yes") {
		return nil
	}
	return cli.UsageErrorf("not confirmed: nothing was moved")
}

// robotConfig describes the robot.
func (o *runOptions) robotConfig(n *names.Names, task *sim.Task, p *residual.Policy) (robot.Config, error) {
	run := o.run()
	rc := robot.Config{
		Names: n, Parts: task.PartNames(), LockStep: o.lockStep, ReportedTwist: o.lockStep, PartStamps: p.Estimates(),
		Deadman: run.Deadman, Passive: o.passive(),
		Policy: run.Policy, Wait: o.wait, Logger: o.Log, PartsFrame: run.PartsFrame,
	}
	if run.Robot == "rosbridge" {
		rc.URL, rc.ROS1 = run.URL, run.ROSVersion == 1
	} else if !o.lockStep { // a master that is lost is noticed within a period
		rc.Poll = min(max(time.Duration(float64(time.Second)/run.RateHz), 50*time.Millisecond), time.Second)
	}
	o.rememberFaults(&rc)
	if run.Arm == "" {
		rc.Frame = run.Frame
		return rc, nil
	}
	var err error
	if rc.Arm, err = robot.LoadArm(run.Arm); err != nil {
		return rc, cli.Usage(err)
	}
	return rc, nil
}

// loopConfig describes the loop; the arm may bring limits of its own.
func (o *runOptions) loopConfig(task *sim.Task, arm *robot.ArmFile) (loop.Config, *loop.Tally, func() error, error) {
	run := o.run()
	period := time.Duration(float64(time.Second) / run.RateHz)
	t := &loop.Tally{Period: period}
	if o.lockStep {
		t.Period = 0
	}
	cfg := loop.Config{ // the hold is out when the observation is MaxAgePeriods old: waking up and publishing take a while
		Period: period, Step: period, LockStep: o.lockStep, ObsDim: task.ObsDim(), MaxMisses: run.MaxMisses,
		MaxAge: time.Duration(run.MaxAgePeriods)*period - period/10, Patience: robot.ResetTimeout, Resume: run.Resume,
		OnTick: t.Add,
		OnState: func(c loop.Change) {
			if c.Cause != nil {
				o.Log.Warn("control loop", "from", c.From, "to", c.To, "tick", c.Tick, "cause", c.Cause)
			} else {
				o.Log.Info("control loop", "from", c.From, "to", c.To, "tick", c.Tick)
			}
		},
	}
	if arm != nil && arm.Limits != nil {
		cfg.Shield = arm.Limits.Shield()
	}
	if !o.passive() { // another controller's arm does not follow this one's commands
		cfg.Tracking = run.Tracking
	}
	if o.dump == "" {
		return cfg, t, func() error { return nil }, nil
	}
	f, done, err := newFile(o.dump)
	if err != nil {
		return cfg, nil, nil, err
	}
	cfg.Dump = f
	if f.Name() != o.dump {
		o.Log.Info("the flight recorder's file is there already: it is kept", "this run's", f.Name())
	}
	return cfg, t, done, nil
}

// controller makes the policy's controller, with its chunks planned beside the loop where there is a clock to keep.
func (o *runOptions) controller(p *residual.Policy, task *sim.Task) (*residual.Controller, func() basepolicy.AheadStats,
	func(), error,
) {
	run := o.run()
	if !o.lockStep && run.Ahead.Lead == 0 && p.Base.About().Waits {
		return nil, nil, nil, cli.UsageErrorf("run.lead is 0, but this base policy waits for a server: it is planned " +
			"beside the loop, set run.lead to 1 or more")
	}
	if o.lockStep || run.Ahead.Lead == 0 {
		c, err := p.NewController(task.NewFeatures())
		return c, nil, func() {}, err
	}
	c, ahead, err := p.NewAheadController(task.NewFeatures(), run.Ahead)
	if errors.Is(err, residual.ErrFeatures) || errors.Is(err, residual.ErrPolicy) {
		return nil, nil, nil, cli.Usage(err)
	}
	if err != nil {
		return nil, nil, nil, cli.UsageErrorf("run.lead and run.bridge: %w", err)
	}
	return c, ahead.Stats, ahead.Close, nil
}

// onItsThread runs the loop on a thread that the system was asked to favour; what it refused is logged.
func (o *runOptions) onItsThread(f func() error) error {
	opts := &o.run().Realtime
	refusals, restore := opts.Process()
	defer restore()
	ended := make(chan error, 1)
	go func() { // it never unlocks its thread, which ends with it
		for _, r := range append(refusals, opts.Thread()...) {
			o.Log.Warn("the system refused: "+r.What, "err", r.Err, "hint", r.Hint)
		}
		ended <- f()
	}()
	return <-ended
}
