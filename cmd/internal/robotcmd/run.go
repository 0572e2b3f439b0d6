package robotcmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"korr/cmd/internal/cli"
	"korr/residual"
	"korr/residual/loop"
	"korr/ros/robot"
	"korr/sim"
)

// runOptions are the verb's flags that are no settings.
type runOptions struct {
	*App
	dryRun, shadow, lockStep, yes, wait, once bool
	episodes                                  int
	dump, foxglove                            string
	measure                                   time.Duration
}

// passive reports whether nothing may be commanded.
func (o *runOptions) passive() bool { return o.dryRun || o.shadow || o.measure > 0 }

// NewRun is the verb run.
func NewRun(a *App) *cobra.Command {
	o := &runOptions{App: a}
	cmd := &cobra.Command{
		Use:   "run [name:=value ...]",
		Short: "the control loop over ROS, against the simulator or an arm",
		Long: `Reads the arm and the parts over ROS, computes one action per period, and sends it through the shield. It asks
before it moves anything unless --yes; --dry-run computes and sends nothing, and --shadow does so beside another
controller, as node korr_shadow. Interrupting it holds the arm where it is measured to be.

After a fault the node stays, silent and reporting, until ~reset_fault and then ~enable are called, or it is interrupted
(exit code 4); --exit-on-fault ends it at once. What else stops the arm, and what an operator does then: docs/safety.md.

The settings run.* (--set run.cpus=3, or a private ROS parameter _run/cpus:=3) choose how the loop keeps time, when the
arm counts as blocked, and how an arm other than a Franka is described.

ROS arguments (__name:=, __ns:=, __master:=, _parameter:=, remappings) may follow anywhere, or ROS 2's after --ros-args.`,
		Example: a.examples(`  korr sim --ros --master &
  $korr run --yes --episodes 3
  $korr run --policy runs/korr/policy.safetensors --dry-run __ns:=/arm
  $korr run --robot ros2 --ros-args -r /cartesian_impedance_example_controller/equilibrium_pose:=/target_pose
  $korr run --robot rosbridge --url ws://robot:9090 --arm ur5e.yaml --metrics 127.0.0.1:9464`),
		Args:        cli.NoArgs,
		Annotations: cli.ROSAnnotation,
		RunE:        func(cmd *cobra.Command, _ []string) error { return runRun(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.String("robot", "ros1", "how to reach the robot: ros1, ros2, rosbridge")
	f.String("url", "ws://127.0.0.1:9090", "of the rosbridge server")
	f.String("arm", "", "YAML `file` that describes an arm other than a Franka")
	f.String("policy", "korr", "policy: shipped weights, or a checkpoint: its path or the folder of its training")
	f.String("cache", "", CacheUsage)
	f.Float64("rate", 10, "control steps per second")
	f.Bool("deadman", false, "hold unless ~deadman speaks every 0.3 s")
	f.String("metrics", "", "serve Prometheus metrics at this `host:port`")
	for flag, key := range map[string]string{
		"robot": "run.robot", "url": "run.url", "arm": "run.arm", "policy": "run.policy", "rate": "run.rate_hz",
		"deadman": "run.deadman", "metrics": "run.metrics",
		"cache": "base.cache",
	} {
		cli.SetKey(f, flag, key)
	}
	f.BoolVar(&o.dryRun, "dry-run", false, "compute and send nothing")
	f.BoolVar(&o.shadow, "shadow", false,
		"compute beside another controller: publish ~action and ~status, command nothing")
	f.BoolVar(&o.lockStep, "lock-step", false, "tick on every observation of a simulator in lock step, not on the clock")
	f.BoolVar(&o.yes, "yes", false, "do not ask before moving")
	f.BoolVar(&o.wait, "wait", false, "wait for a ROS master or rosbridge server instead of giving up")
	f.BoolVar(&o.once, "exit-on-fault", false, "end at a fault instead of waiting for ~reset_fault")
	f.IntVar(&o.episodes, "episodes", 0, "reset a simulator and run this many episodes; 0 = until stopped")
	f.DurationVar(&o.measure, "measure-tracker", 0, "command nothing: listen for so long, such as 60s, with the arm at "+
		"rest and moving, and print the part tracker's rate, latency, noise and dropout, and the settings that describe it")
	f.StringVar(&o.foxglove, "foxglove", "", FoxgloveUsage)
	f.StringVar(&o.dump, "dump", "", "write the flight recorder to this `file` on a fault")
	return cmd
}

// run is the section of the settings, as it stands once the node's private parameters are read.
func (a *App) run() *robot.Settings { return a.Sections().Run }

func (a *App) seed() uint64 { return a.Sections().Seed }

func runRun(ctx context.Context, o *runOptions) (err error) {
	if o.passive() && o.episodes > 0 {
		return cli.UsageErrorf("--dry-run and --shadow send nothing, so a simulator's --episodes would not advance")
	}
	if err := o.checkFiles(); err != nil {
		return err
	}
	n, err := o.enter(ctx)
	if err != nil {
		return err
	}
	p, err := o.LoadPolicy(o.run().Policy)
	if err != nil {
		return err
	}
	if o.lockStep || o.episodes > 0 { // a simulator, not an arm
		o.OtherSimulator(o.run().Policy, p)
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return err
	}
	if err := o.confirm(n); err != nil {
		return err
	}
	rc, err := o.robotConfig(n, task, p)
	if err != nil {
		return err
	}
	if o.measure > 0 {
		return o.measureTracker(ctx, rc)
	}
	closeFoxglove, err := o.serveFoxglove(&rc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeFoxglove()) }()
	r, err := robot.Open(ctx, rc)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	cfg, t, closeDump, err := o.loopConfig(task, rc.Arm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeDump()) }()
	ctl, planned, closePlanner, err := o.controller(p, task)
	if err != nil {
		return err
	}
	defer closePlanner()
	if planned != nil {
		r.CountLate(func() uint64 { return planned().Bridged })
	}
	closeMetrics, err := o.serveMetrics(r, planned)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeMetrics()) }()
	result := robot.Report{Schema: robot.ReportSchema, Policy: o.run().Policy, Episodes: []robot.EpisodeReport{}}
	err = o.onItsThread(func() error { return o.drive(ctx, r, ctl, cfg, &result) })
	result.TallyResult = t.Result()
	if planned != nil {
		result.Chunks = robot.NewChunks(planned())
	}
	return errors.Join(err, o.printRun(result))
}

// drive runs the loop until ctx ends, or for the episodes of a simulator.
func (o *runOptions) drive(ctx context.Context, r *robot.Robot, ctl *residual.Controller, cfg loop.Config,
	result *robot.Report,
) error {
	if o.episodes == 0 {
		ctl.Reset(o.seed())
		return r.Serve(ctx, ctl, cfg, o.once, nil)
	}
	if err := findSimulator(ctx, r, o.seed()); err != nil {
		return err
	}
	for i := range o.episodes {
		seed := o.seed() + uint64(i)
		ctl.Reset(seed)
		res, err := r.Run(ctx, ctl, cfg, seed)
		if err != nil {
			return err
		}
		result.Episodes = append(result.Episodes, robot.EpisodeReport{Seed: seed, Steps: res.Step, Success: res.Success})
		o.Log.Info("episode", "seed", seed, "steps", res.Step, "success", res.Success)
	}
	return nil
}

// findSimulator resets the simulator once with a deadline: without one, resetting waits for it.
func findSimulator(ctx context.Context, r *robot.Robot, seed uint64) error {
	bounded, cancel := context.WithTimeout(ctx, robot.ResetTimeout)
	defer cancel()
	err := r.Reset(bounded, seed)
	if errors.Is(err, context.DeadlineExceeded) {
		return cli.Unreachable(fmt.Errorf("no simulator answers (korr sim --ros, or --ros2): %w", err))
	}
	return err
}

func (o *runOptions) printRun(r robot.Report) error {
	if o.JSON {
		return o.PrintJSON(r)
	}
	for _, e := range r.Episodes {
		if err := o.Printf("seed %d: %s after %d steps\n", e.Seed, map[bool]string{
			true:  "assembled",
			false: "not assembled",
		}[e.Success], e.Steps); err != nil {
			return err
		}
	}
	if r.Jitter != nil {
		if err := o.Printf("jitter   p50/p99/max  %v\n", *r.Jitter); err != nil {
			return err
		}
	}
	if err := r.Chunks.WriteText(o.Out); err != nil {
		return err
	}
	return o.Printf("latency  p50/p99/max  %v\n%d commands, %d limited by the shield, %d without the residual\n",
		r.Latency, r.Ticks, r.Limited, r.Fallbacks)
}
