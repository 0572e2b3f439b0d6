package evalnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

// NodeName is the usual name of the evaluation node.
const NodeName = "korr_eval"

// maxEpisodes bounds one goal: its result is one message.
const maxEpisodes = 100000

// Job is an evaluation that was accepted.
type Job struct {
	Episodes int // at least 1
	// Play plays episode i. A failing policy or simulator is a Fault of the result; the error is what keeps any further
	// episode from being played.
	Play  func(ctx context.Context, i int) (msgs.EpisodeResult, error)
	Close func() error // called when the evaluation has ended; may be nil
}

// Config describes the evaluation node.
type Config struct {
	Names *names.Names
	// Start prepares what a goal asks for; its error ends the goal as aborted. It may take long (weights are read, a
	// simulator is made), and is called in Run's goroutine.
	Start func(ctx context.Context, goal *msgs.EvaluateGoal) (*Job, error)
	// Interval is the confidence interval of k successes in n episodes, as fractions.
	Interval func(k, n int) [2]float64
	Wait     bool         // New waits for a master instead of failing
	Logger   *slog.Logger // nil = silent
}

var errBusy = errors.New("an evaluation is running: cancel it, or wait for its result")

// Server is the evaluation node. New connects it, Run works, Close disconnects it.
type Server struct {
	cfg  Config
	log  *slog.Logger
	node *node.Node
	run  *action.Server[msgs.EvaluateActionGoal, msgs.EvaluateActionResult, msgs.EvaluateActionFeedback]
	next chan *msgs.EvaluateActionGoal // accepted, capacity 1

	mu     sync.Mutex
	busy   bool
	cancel context.CancelFunc // of the running evaluation; nil before it starts
	asked  bool               // it was cancelled
}

// New connects the evaluation node. The error is a *node.MasterError when there is no master.
func New(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Names == nil || cfg.Start == nil || cfg.Interval == nil {
		return nil, errors.New("evalnode: Config needs Names, Start and Interval")
	}
	n, err := node.Open(ctx, node.Config{Names: cfg.Names, Logger: cfg.Logger, Wait: cfg.Wait})
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, log: n.Logger(), node: n, next: make(chan *msgs.EvaluateActionGoal, 1)}
	if s.run, err = action.NewServer[msgs.EvaluateActionGoal, msgs.EvaluateActionResult, msgs.EvaluateActionFeedback](n,
		"~run", s.accept, s.cancelled); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	s.run.FinishesCancelled()
	return s, nil
}

// Close disconnects from the ROS graph. Run must have returned, or never been called.
func (s *Server) Close() error {
	s.run.Close()
	return s.node.Close()
}

// accept takes a goal when none is being worked on.
func (s *Server) accept(g *msgs.EvaluateActionGoal) error {
	if n := g.Goal.Episodes; n > maxEpisodes {
		return fmt.Errorf("%d episodes: at most %d in one goal", n, maxEpisodes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return errBusy
	}
	s.busy, s.asked = true, false
	s.next <- g
	return nil
}

// cancelled stops the running evaluation, or the one about to start.
func (s *Server) cancelled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = true
	if s.cancel != nil {
		s.cancel()
	}
}

// Run works on goals until ctx ends (it returns ctx's error) or the node ended (it returns the node's). An evaluation
// that is interrupted so ends as aborted, with the episodes played.
func (s *Server) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.node.Done():
			return s.node.Err()
		case g := <-s.next:
			s.evaluate(ctx, g)
		}
	}
}

// evaluate works on one goal.
func (s *Server) evaluate(parent context.Context, g *msgs.EvaluateActionGoal) {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-s.node.Done():
			cancel()
		case <-ended:
		}
	}()
	s.mu.Lock()
	s.cancel = cancel
	if s.asked {
		cancel()
	}
	s.mu.Unlock()
	s.log.Info("evaluation", "policy", g.Goal.Policy, "episodes", g.Goal.Episodes, "seed", g.Goal.Seed)
	res, err := s.play(ctx, g)
	s.mu.Lock()
	asked := s.asked
	s.cancel = nil
	s.mu.Unlock()
	status := msgs.GoalSucceeded
	switch {
	case err == nil:
	case asked && errors.Is(err, context.Canceled):
		status, res.Error = msgs.GoalPreempted, "cancelled"
	default:
		status, res.Error = msgs.GoalAborted, err.Error()
		s.log.Warn("the evaluation ended early", "err", err)
	}
	s.log.Info("evaluated", "successes", res.Successes, "episodes", res.Episodes)
	s.run.Finish(g.GoalId.Id, status, func(r *msgs.EvaluateActionResult) {
		r.Result = *res
		s.mu.Lock()
		s.busy = false // not before: a goal that came now would take this one's place; not later: its client hears now
		s.mu.Unlock()
	})
}

// play plays the episodes of a goal; the result holds those that were played, whatever the error.
func (s *Server) play(ctx context.Context, g *msgs.EvaluateActionGoal) (res *msgs.EvaluateResult, err error) {
	res = &msgs.EvaluateResult{RateHigh: 1}
	if err := ctx.Err(); err != nil {
		return res, err
	}
	job, err := s.cfg.Start(ctx, &g.Goal)
	if err != nil {
		return res, err
	}
	if job.Close != nil {
		defer func() { err = errors.Join(err, job.Close()) }()
	}
	for i := range job.Episodes {
		e, err := job.Play(ctx, i)
		if err != nil {
			return res, err
		}
		res.Results = append(res.Results, e)
		res.Episodes++
		if e.Success {
			res.Successes++
		}
		ci := s.cfg.Interval(int(res.Successes), int(res.Episodes))
		res.Rate, res.RateLow, res.RateHigh = float64(res.Successes)/float64(res.Episodes), ci[0], ci[1]
		s.run.Feedback(g.GoalId.Id, func(f *msgs.EvaluateActionFeedback) {
			f.Feedback = msgs.EvaluateFeedback{
				Done: res.Episodes, Total: uint32(job.Episodes), Successes: res.Successes,
				Rate: res.Rate, RateLow: res.RateLow, RateHigh: res.RateHigh, Episode: e,
			}
		})
		if err := ctx.Err(); err != nil && i < job.Episodes-1 {
			return res, err
		}
	}
	return res, nil
}
