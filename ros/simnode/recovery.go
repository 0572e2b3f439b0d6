package simnode

import (
	"errors"

	"korr/ros/msgs"
	"korr/ros/transport"
)

// recovery serves the arm's error recovery action, as franka_control does.
type recovery struct {
	server transport.ActionServer[msgs.ErrorRecoveryResult]
	asked  chan string // ids of goals for the simulator's goroutine
}

var errRecovering = errors.New("a recovery is under way")

func newRecovery(l transport.Link) (r *recovery, err error) {
	r = &recovery{asked: make(chan string, 1)}
	r.server, err = transport.NewActionServer[msgs.ErrorRecoveryActionGoal, msgs.ErrorRecoveryActionResult,
		msgs.ErrorRecoveryActionFeedback, msgs.ErrorRecoveryGoal, msgs.ErrorRecoveryResult, msgs.ErrorRecoveryFeedback](l,
		transport.Recovery, r.goal, nil)
	return r, err
}

func (r *recovery) close() {
	if r.server != nil {
		r.server.Close()
	}
}

func (r *recovery) goal(id string, _ *msgs.ErrorRecoveryGoal) error {
	select {
	case r.asked <- id:
		return nil
	default:
		return errRecovering
	}
}

// recover ends a reflex: the arm moves again, from where it is, with the next command. A pressed user stop must be
// released first (~perturb clear).
func (s *Server) recover(id string) {
	status := msgs.GoalSucceeded
	if s.faults.mode() == msgs.RobotModeUserStopped {
		status = msgs.GoalAborted
		s.log.Warn("error recovery refused: the user stop is pressed")
	} else {
		s.faults.drop(func(f *fault) bool { return f.Kind == msgs.PerturbMode })
		s.stay()
		select {
		case <-s.commands: // from before the recovery
		default:
		}
	}
	s.fix.server.Finish(id, status, nil)
}
