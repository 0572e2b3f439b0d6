package lane

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"korr/residual"
	"korr/residual/loop"
	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/robot"
	"korr/ros/simnode"
	"korr/sim"
	"korr/sim/disturb"
	"korr/train/eval"
)

// Lane is a whole robot over ROS on the loopback interface: an embedded master, a simulator node and a control node. It
// plays episodes for package eval.
type Lane struct {
	master *master.Master
	server *simnode.Server
	robot  *robot.Robot
	env    sim.Env
	also   func(*loop.Record)
	cfg    loop.Config
	stop   context.CancelFunc
	served chan error // what the simulator's Run returned
	ticks  loop.Tally
	stages eval.Progress // of the present episode
}

var _ eval.Player = (*Lane)(nil)

// Config describes a lane.
type Config struct {
	Env     sim.Env        // the engine, which the lane owns from then on, also when Open fails
	Sensing disturb.Config // what the arm and the tracker show of it
	// an episode takes as long as it needs; otherwise both sides keep the period of sim.Spec.ControlHz
	LockStep bool
	Clock    Clock // without LockStep
	OnTick   func(*loop.Record)
	Logger   *slog.Logger
}

// Clock is how arm and tracker speak in real time; zeros are simnode.Config's defaults.
type Clock struct {
	Hz, PartsHz             float64       // messages of the arm, frames of the tracker per second
	PartsDelay, PartsJitter time.Duration // of a frame
}

// Open starts master, simulator and control node.
func Open(ctx context.Context, c Config) (*Lane, error) {
	l := &Lane{env: c.Env, also: c.OnTick, served: make(chan error, 1), stop: func() {}}
	if err := l.connect(ctx, c); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Tally is what the control loop did in all episodes so far.
func (l *Lane) Tally() loop.TallyResult { return l.ticks.Result() }

func (l *Lane) connect(ctx context.Context, c Config) (err error) {
	lockStep, log := c.LockStep, c.Logger
	spec := l.env.Spec()
	l.cfg = loop.Config{
		LockStep: lockStep, ObsDim: spec.ObsDim, Patience: robot.ResetTimeout, OnTick: l.onTick,
		Step: time.Duration(float64(time.Second) / spec.ControlHz),
	}
	if !lockStep {
		l.cfg.Period, l.ticks.Period = l.cfg.Step, l.cfg.Step
	}
	if l.master, err = master.Start(master.Config{Addr: "127.0.0.1:0", Logger: log}); err != nil {
		return err
	}
	simNames, err := l.names(msgs.SimNode)
	if err != nil {
		return err
	}
	if l.server, err = simnode.New(ctx, simnode.Config{
		Names: simNames, Env: l.env, LockStep: lockStep, Sensing: c.Sensing, Logger: log,
		Hz: c.Clock.Hz, PartsHz: c.Clock.PartsHz, PartsDelay: c.Clock.PartsDelay, PartsJitter: c.Clock.PartsJitter,
	}); err != nil {
		return err
	}
	var serving context.Context
	serving, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() { l.served <- l.server.Run(serving) }()
	robotNames, err := l.names("korr")
	if err != nil {
		return err
	}
	l.robot, err = robot.Open(ctx, robot.Config{
		Names: robotNames, Parts: spec.PartNames, LockStep: lockStep, ReportedTwist: true, PartStamps: true, Logger: log,
	})
	return err
}

func (l *Lane) names(node string) (*names.Names, error) {
	n, err := names.New(node, l.master.URI())
	if err != nil {
		return nil, err
	}
	n.Host = "127.0.0.1"
	return n, nil
}

// onTick is called in the loop's goroutine.
func (l *Lane) onTick(r *loop.Record) {
	l.ticks.Add(r)
	l.stages.Observe(r.Observation)
	if l.also != nil {
		l.also(r)
	}
}

// Play implements eval.Player.
func (l *Lane) Play(ctx context.Context, p sim.Policy, episodeSeed uint64) (eval.Episode, error) {
	p.Reset(episodeSeed)
	l.stages = eval.NewProgress(l.env.Spec())
	res, err := l.robot.Run(ctx, asStepper(p), l.cfg, episodeSeed)
	ep := eval.Episode{Seed: episodeSeed}
	if res != nil {
		ep.Steps, ep.Success = int(res.Step), res.Success
	}
	ep.Stage = l.stages.Stage(ep.Success)
	if cause := context.Cause(ctx); cause != nil {
		return ep, cause
	}
	var failed *robot.EpisodeError
	if errors.As(err, &failed) || loop.LastStates(err) != nil {
		ep.Fault, ep.Success, ep.Stage = err, false, l.stages.Stage(false)
		return ep, nil
	}
	// nothing moves until commanded
	if y, ok := sim.As[interface{ OneYaw() bool }](l.env); ok && err == nil && l.cfg.LockStep {
		one := ep.Success && y.OneYaw()
		ep.OneYaw = &one
	}
	return ep, err
}

// Close ends the nodes, the master and the simulator.
func (l *Lane) Close() error {
	var errs []error
	if l.robot != nil {
		errs = append(errs, l.robot.Close())
	}
	l.stop()
	if l.server != nil {
		if err := <-l.served; !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
		errs = append(errs, l.server.Close())
	}
	if l.master != nil {
		errs = append(errs, l.master.Close())
	}
	return errors.Join(append(errs, l.env.Close())...)
}

// asStepper lets a policy without plans and predictions, such as the expert, drive the loop.
func asStepper(p sim.Policy) loop.Stepper {
	if s, ok := p.(loop.Stepper); ok {
		return s
	}
	return plainStepper{p}
}

type plainStepper struct{ policy sim.Policy }

func (s plainStepper) StepTo(act, obs []float32) (residual.Info, error) {
	return residual.Info{}, s.policy.ActTo(act, obs)
}

func (plainStepper) ReadTimes(residual.When) {}

func (plainStepper) Executed([]float32) {}

func (plainStepper) Replan() {}

func (plainStepper) Prepare([]float32) (bool, error) { return true, nil }
