package simnode

import (
	"fmt"

	"korr/ros/msgs"
)

// maxSteps bounds one call of ~step, which blocks until they are done.
const maxSteps = 10000

// ask lets the simulator's goroutine do something and waits for it.
func (s *Server) ask(do func() error) error {
	r := request{do: do, reply: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.quit:
		return errStopped
	case <-s.node.Done():
		return s.node.Err()
	}
	select {
	case err := <-r.reply:
		return err
	case <-s.quit:
		return errStopped
	}
}

// message is the text of an error for a response.
func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (s *Server) serveReset(q *msgs.ResetReq) (*msgs.ResetRes, bool) {
	res := &msgs.ResetRes{}
	err := s.ask(func() error {
		err := s.reset(q.Seed)
		res.Episode, res.Stamp = s.episode.Episode, s.stamp
		return err
	})
	res.Success, res.Message = err == nil, message(err)
	return res, true
}

func (s *Server) serveStep(q *msgs.StepReq) (*msgs.StepRes, bool) {
	err := s.ask(func() error {
		if !s.paused {
			return fmt.Errorf("call %s/pause first: ~step advances a paused simulator", s.cfg.Names.Node)
		}
		if q.Steps > maxSteps {
			return fmt.Errorf("%d steps: at most %d in one call", q.Steps, maxSteps)
		}
		select {
		case m := <-s.commands:
			s.aim(m)
		default:
		}
		for range q.Steps {
			if s.episode.Over() {
				return fmt.Errorf("the episode is over after %d steps: call ~reset", s.episode.Step)
			}
			s.stepPaused()
			s.publish()
		}
		return nil
	})
	return &msgs.StepRes{Success: err == nil, Message: message(err)}, true
}

// stepPaused takes one control step, or what is left of one that was begun before the pause.
func (s *Server) stepPaused() {
	if s.cfg.LockStep {
		s.step()
		return
	}
	for !s.move() {
	}
	s.anchor()
}

func (s *Server) servePause(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
	err := s.ask(func() error {
		s.paused = q.Data
		return nil
	})
	return &msgs.SetBoolRes{Success: err == nil, Message: message(err)}, true
}
