package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/residual"
	"korr/residual/loop"
	"korr/ros/names"
	"korr/ros/robot"
	"korr/sim"
)

// runOptions are the verb's flags that are no settings.
type runOptions struct {
	*app
	dryRun, lockStep, yes, wait, deadman bool
	episodes                             int
	dump                                 string
}

func newCmdRun(a *app) *cobra.Command {
	o := &runOptions{app: a}
	cmd := &cobra.Command{
		Use:   "run [name:=value ...]",
		Short: "the control loop over ROS, against the simulator or an arm",
		Long: `Reads the arm and the parts over ROS, computes one action per period, and sends it through the shield. It asks before it
moves anything unless --yes; --dry-run computes and sends nothing. Interrupting it holds the arm where it is measured to be.

ROS arguments (__name:=, __ns:=, __master:=, remappings) may follow anywhere.`,
		Example: `  korr sim --ros --master &
  korr run --yes --episodes 3
  korr run --policy runs/korr/policy.safetensors --dry-run __ns:=/arm`,
		Args:        noArgs,
		Annotations: rosAnnotation,
		RunE:        func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.String("robot", "ros1", "how to reach the robot: ros1")
	f.String("policy", "korr", "policy: shipped weights or the path of a checkpoint")
	f.Float64("rate", 10, "control steps per second")
	setKey(f, "robot", "run.robot")
	setKey(f, "policy", "run.policy")
	setKey(f, "rate", "run.rate_hz")
	f.BoolVar(&o.dryRun, "dry-run", false, "compute and send nothing")
	f.BoolVar(&o.lockStep, "lock-step", false, "tick on every observation of a simulator in lock step, not on the clock")
	f.BoolVar(&o.yes, "yes", false, "do not ask before moving")
	f.BoolVar(&o.wait, "wait", false, "wait for a ROS master instead of giving up")
	f.BoolVar(&o.deadman, "deadman", false, "hold unless ~deadman speaks every 0.3 s")
	f.IntVar(&o.episodes, "episodes", 0, "reset a simulator and run this many episodes; 0 = until stopped")
	f.StringVar(&o.dump, "dump", "", "write the flight recorder to this `file` on a fault")
	return cmd
}

// runResult is what the verb prints.
type runResult struct {
	Schema   string       `json:"schema"` // korr.run/1
	Policy   string       `json:"policy"`
	Episodes []runEpisode `json:"episodes"`
	tickResult
}

type runEpisode struct {
	Seed    uint64 `json:"seed"`
	Steps   uint32 `json:"steps"`
	Success bool   `json:"success"`
}

func runRun(ctx context.Context, o *runOptions) (err error) {
	p, err := o.loadPolicy(o.cfg.Run.Policy)
	if err != nil {
		return err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return err
	}
	n, err := o.rosNames("korr")
	if err != nil {
		return err
	}
	if err := o.confirm(n); err != nil {
		return err
	}
	r, err := robot.Open(ctx, robot.Config{
		Names: n, Parts: task.PartNames(), LockStep: o.lockStep, ReportedTwist: o.lockStep, Deadman: o.deadman, Wait: o.wait, Logger: o.log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	cfg, t, closeDump, err := o.loopConfig(task)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDump()) }()
	result := runResult{Schema: "korr.run/1", Policy: o.cfg.Run.Policy, Episodes: []runEpisode{}}
	err = o.drive(ctx, r, p.NewController(task.NewFeatures()), cfg, &result)
	result.tickResult = t.result()
	return errors.Join(err, o.printRun(result))
}

// confirm asks before anything may move.
func (o *runOptions) confirm(n *names.Names) error {
	if o.yes || o.dryRun || o.lockStep { // only a simulator runs in lock step
		return nil
	}
	if !onTerminal(o.in) {
		return usageErrorf("this may move an arm and there is no terminal to ask: say --yes, or --dry-run")
	}
	fmt.Fprintf(o.err, "Policy %s will move the arm behind the ROS master %s. Go on? [y/N] ", o.cfg.Run.Policy, n.MasterURI)
	answer, err := bufio.NewReader(o.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); err == nil && (a == "y" || a == "yes") {
		return nil
	}
	return usageErrorf("not confirmed: nothing was moved")
}

func (o *runOptions) loopConfig(task *sim.Task) (loop.Config, *ticks, func() error, error) {
	period := time.Duration(float64(time.Second) / o.cfg.Run.RateHz)
	t := &ticks{period: period}
	if o.lockStep {
		t.period = 0
	}
	cfg := loop.Config{
		Period: period, LockStep: o.lockStep, ObsDim: task.ObsDim(), MaxMisses: o.cfg.Run.MaxMisses,
		MaxAge: time.Duration(o.cfg.Run.MaxAgePeriods) * period, Patience: resetTimeout, Resume: true, OnTick: t.add,
		OnState: func(c loop.Change) {
			if c.Cause != nil {
				o.log.Warn("control loop", "from", c.From, "to", c.To, "cause", c.Cause)
			} else {
				o.log.Info("control loop", "from", c.From, "to", c.To)
			}
		},
	}
	if o.dump == "" {
		return cfg, t, func() error { return nil }, nil
	}
	f, err := os.Create(o.dump)
	if err != nil {
		return cfg, nil, nil, err
	}
	cfg.Dump = f
	return cfg, t, f.Close, nil
}

// drive runs the loop until ctx ends, or for the episodes of a simulator.
func (o *runOptions) drive(ctx context.Context, r *robot.Robot, ctl *residual.Controller, cfg loop.Config, result *runResult) error {
	if o.episodes == 0 {
		ctl.Reset(o.cfg.Seed)
		var machine loop.Robot = r
		if o.dryRun {
			machine = dryRobot{r}
		}
		l, err := loop.New(machine, ctl, cfg)
		if err != nil {
			return err
		}
		r.Attach(l)
		l.Enable(true)
		return l.Run(ctx)
	}
	if o.dryRun {
		return usageErrorf("--dry-run sends nothing, so a simulator's --episodes would not advance")
	}
	if err := findSimulator(ctx, r, o.cfg.Seed); err != nil {
		return err
	}
	for i := range o.episodes {
		seed := o.cfg.Seed + uint64(i)
		ctl.Reset(seed)
		res, err := r.Run(ctx, ctl, cfg, seed)
		if err != nil {
			return err
		}
		result.Episodes = append(result.Episodes, runEpisode{seed, res.Step, res.Success})
		o.log.Info("episode", "seed", seed, "steps", res.Step, "success", res.Success)
	}
	return nil
}

// findSimulator resets the simulator once with a deadline: without one, resetting waits for it.
func findSimulator(ctx context.Context, r *robot.Robot, seed uint64) error {
	bounded, cancel := context.WithTimeout(ctx, resetTimeout)
	defer cancel()
	err := r.Reset(bounded, seed)
	if errors.Is(err, context.DeadlineExceeded) {
		return &codedError{exitUnreachable, fmt.Errorf("no simulator answers (korr sim --ros): %w", err)}
	}
	return err
}

// dryRobot reads and never moves.
type dryRobot struct{ *robot.Robot }

func (dryRobot) Write([]float32) error { return nil }

func (dryRobot) Hold(context.Context) error { return nil }

func (o *runOptions) printRun(r runResult) error {
	if o.json {
		return o.printJSON(r)
	}
	for _, e := range r.Episodes {
		if err := o.printf("seed %d: %s after %d steps\n", e.Seed, map[bool]string{true: "assembled", false: "not assembled"}[e.Success], e.Steps); err != nil {
			return err
		}
	}
	if r.Jitter != nil {
		if err := o.printf("jitter   p50/p99/max  %v\n", *r.Jitter); err != nil {
			return err
		}
	}
	return o.printf("latency  p50/p99/max  %v\n%d commands, %d limited by the shield, %d without the residual\n", r.Latency, r.Ticks, r.Limited, r.Fallbacks)
}
