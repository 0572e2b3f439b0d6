package simnode

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/ros/transport"
	"korr/sim"
)

// Server is a simulator on the ROS graph. New connects it, Run drives it, Close disconnects it.
type Server struct {
	cfg  Config
	log  *slog.Logger
	env  sim.Env
	spec sim.Spec
	node transport.Link
	out  publishers
	hand *gripper
	fix  *recovery

	parts  Disturber // nil: the environment's parts cannot be pushed
	senses senses

	commands chan *msgs.PoseStamped // newest only
	requests chan request
	quit     chan struct{} // closed when Run returns: requests are refused
	stopped  sync.Once
	steps    atomic.Uint64

	// Of Run's goroutine alone.
	obs     []float32
	arm     []float64
	target  geom.Pose
	at      time.Time // the newest observation's, on the simulator's clock
	stamp   time.Time // the same as messages bear it: a clock jump is injected here
	seq     uint32    // of the newest observation
	episode msgs.SimState
	paused  bool
	faults  faults
	pushed  []int // parts on which an injected force acts
	real    realTime
}

// request is a service call that the simulator's goroutine answers.
type request struct {
	do    func() error
	reply chan error
}

// maxResend bounds the time between repetitions of an unanswered observation.
const maxResend = time.Second

// errStopped answers service calls once the simulator has stopped.
var errStopped = errors.New("the simulator has stopped")

// New connects the simulator to the ROS graph. The error is a *node.MasterError when there is no master, and wraps
// ErrNoArm when the environment cannot be served.
func New(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, env: cfg.Env, spec: cfg.Env.Spec(),
		commands: make(chan *msgs.PoseStamped, 1), requests: make(chan request), quit: make(chan struct{}),
		at: time.Unix(0, 0), stamp: time.Unix(0, 0),
	}
	s.obs = make([]float32, s.spec.ObsDim)
	s.arm = make([]float64, simarm.Dim(len(s.spec.PartNames)))
	s.parts, _ = sim.As[Disturber](s.env)
	s.real = newRealTime(s.env, s.spec.ControlHz, cfg.Hz)
	if s.senses, err = newSenses(&cfg); err != nil {
		return nil, err
	}
	if s.node, err = transport.Open(ctx, transport.Config{
		Names: cfg.Names, Logger: cfg.Logger, Wait: cfg.Wait, Tap: cfg.Tap,
	}); err != nil {
		return nil, err
	}
	s.log = s.node.Logger()
	if _, wrapped := s.env.(sim.Wrapper); wrapped {
		s.log.Warn("over ROS the arm tells its true state: what wraps the simulator is not seen; use Config.Sensing or " +
			"~perturb")
	}
	if err := s.register(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// register makes topics, services and actions.
func (s *Server) register() (err error) {
	if err = s.out.advertise(s.node, s.spec.PartNames); err != nil {
		return err
	}
	if s.hand, err = newGripper(s.node, s.cfg.OpenAt); err != nil {
		return err
	}
	if s.fix, err = newRecovery(s.node); err != nil {
		return err
	}
	return errors.Join(
		transport.Subscribe(s.node, msgs.CommandTopic, transport.Command, s.receive),
		transport.Serve[msgs.Reset](s.node, "~reset", s.serveReset),
		transport.Serve[msgs.Step](s.node, "~step", s.serveStep),
		transport.Serve[msgs.SetBool](s.node, "~pause", s.servePause),
		transport.Serve[msgs.Perturb](s.node, "~perturb", s.servePerturb),
	)
}

// Close disconnects from the ROS graph. Run must have returned, or never been called.
func (s *Server) Close() error {
	s.stopped.Do(func() { close(s.quit) })
	if s.hand != nil {
		s.hand.close()
	}
	if s.fix != nil {
		s.fix.close()
	}
	return s.node.Close()
}

// Steps is how many control steps the simulator has taken.
func (s *Server) Steps() uint64 { return s.steps.Load() }

// receive keeps the newest pose for the simulator's goroutine.
func (s *Server) receive(m *msgs.PoseStamped) {
	for {
		select {
		case s.commands <- m:
			return
		default:
		}
		select {
		case <-s.commands:
		default:
		}
	}
}

// Run drives the simulator until ctx ends (it returns ctx's error) or the node ended (it returns the node's). An
// episode that fails does not end Run: the error is reported in ~state and the next ~reset starts afresh.
func (s *Server) Run(ctx context.Context) error {
	defer s.stopped.Do(func() { close(s.quit) })
	if err := s.reset(s.cfg.Seed); err != nil {
		return err
	}
	beat := s.real.slice
	if s.cfg.LockStep {
		beat = s.cfg.Resend
	}
	tick := time.NewTicker(beat)
	defer tick.Stop()
	wait := beat // lock step: until the next repetition; it backs off, or a slow receiver would only get slower
	for {
		var commands <-chan *msgs.PoseStamped
		if s.cfg.LockStep && !s.paused {
			commands = s.commands
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.node.Done():
			return s.node.Err()
		case r := <-s.requests:
			r.reply <- r.do()
		case id := <-s.fix.asked:
			s.recover(id)
		case m := <-commands:
			if s.answers(m) {
				s.advance(m)
				wait = beat
				tick.Reset(wait)
			}
		case <-tick.C:
			if !s.cfg.LockStep {
				s.keepUp()
				continue
			}
			s.senses.again()
			s.publish()
			wait = min(2*wait, max(beat, maxResend))
			tick.Reset(wait)
		}
	}
}

// answers reports whether a pose answers the newest observation of an episode that goes on.
func (s *Server) answers(m *msgs.PoseStamped) bool {
	return m.Header.Stamp.Equal(s.stamp) && !s.episode.Over()
}

// advance takes the one step that a lock-step command is worth.
func (s *Server) advance(m *msgs.PoseStamped) {
	s.aim(m)
	s.step()
	s.publish()
}

// aim takes a commanded pose over. An arm that is stopped ignores it and stays where it is.
func (s *Server) aim(m *msgs.PoseStamped) {
	if !s.faults.stopped() {
		s.target = m.Pose.Geom()
	}
}

// step takes one control step toward the target.
func (s *Server) step() {
	s.push()
	grip := s.hand.command()
	var res sim.Result
	var err error
	if p, ok := s.env.(PoseStepper); ok {
		res, err = p.StepPose(s.obs, s.target.P, s.target.Q, grip)
	} else {
		act := make([]float32, sim.ActDim)
		geom.VecTo(act, s.target.P)
		geom.Rot6DTo(act[3:], s.target.Q)
		act[9] = float32(grip)
		res, err = s.env.Step(s.obs, act)
	}
	s.mark(time.Duration(float64(time.Second) / s.spec.ControlHz))
	s.stepped(res, err)
}

// stepped counts a control step and what it led to.
func (s *Server) stepped(res sim.Result, err error) {
	s.steps.Add(1)
	e := &s.episode
	e.Step++
	e.Reward = res.Reward
	e.EpisodeReturn += res.Reward
	e.Terminated, e.Truncated, e.Success = res.Terminated, res.Truncated, res.Success
	if err != nil {
		e.Error = err.Error()
		s.log.Warn("the episode failed", "seed", e.Seed, "step", e.Step, "err", err)
		return // the arm state stays that of the last good observation
	}
	s.observe()
	s.senses.observe(s.arm, s.obs)
	s.hand.moved(s.arm[simarm.Fingers] + s.arm[simarm.Fingers+1])
}

// observe reads the arm's state.
func (s *Server) observe() {
	state, _ := sim.As[simarm.State](s.env) // Config was checked
	state.ArmStateTo(s.arm)
}

// mark stamps a new observation, which is later by d on the simulator's clock. In real time that clock starts from the
// wall clock's time and follows it; see keepUp.
func (s *Server) mark(d time.Duration) {
	s.seq++
	s.at = s.at.Add(d)
	s.faults.expire(s.at)
	s.stamp = s.at.Add(s.faults.jump())
}

// reset starts the episode of a seed with the arm commanded to stay where it is.
func (s *Server) reset(seed uint64) error {
	s.hand.reset()
	select {
	case <-s.commands:
	default:
	}
	err := s.env.Reset(s.obs, seed)
	s.episode = msgs.SimState{Seed: seed, Episode: s.episode.Episode + 1}
	if s.cfg.LockStep {
		s.mark(time.Duration(float64(time.Second) / s.spec.ControlHz))
	} else {
		s.restart()
	}
	if err != nil {
		s.episode.Error = err.Error()
		return err
	}
	s.observe()
	s.senses.reset(s.arm, s.obs, seed, s.at)
	s.stay()
	s.publish()
	return nil
}

// stay makes the measured pose the target.
func (s *Server) stay() {
	s.target = geom.Pose{P: geom.Vec3(s.arm[simarm.Position:]), Q: geom.Mat3(s.arm[simarm.Rotation:]).Quat()}
}
