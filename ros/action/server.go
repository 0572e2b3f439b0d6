package action

import (
	"sync"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
)

const (
	statusPeriod = 200 * time.Millisecond // actionlib's
	remembered   = 16                     // goals whose status is still reported
)

// Server serves one action with one goal at a time: a new goal preempts the one before.
type Server[G, R, F any] struct {
	onGoal   func(*G) error
	onCancel func()
	status   *node.Publisher[msgs.GoalStatusArray]
	result   *node.Publisher[R]
	stop     chan struct{}
	done     chan struct{}

	mu    sync.Mutex
	goals []msgs.GoalStatus // oldest first; the last one may be active
	seq   uint32
}

// NewServer serves the action of a name. onGoal is called for each new goal and must only store it; an error rejects
// the goal. onCancel is called when the active goal is cancelled; the goal then counts as preempted. It may be nil.
func NewServer[G, R, F any](n *node.Node, name string, onGoal func(*G) error, onCancel func()) (*Server[G, R, F], error) {
	s := &Server[G, R, F]{onGoal: onGoal, onCancel: onCancel, stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	if s.status, err = node.Advertise[msgs.GoalStatusArray](n, name+"/status", true); err != nil {
		return nil, err
	}
	if s.result, err = node.Advertise[R](n, name+"/result", false); err != nil {
		return nil, err
	}
	if _, err = node.Advertise[F](n, name+"/feedback", false); err != nil {
		return nil, err
	}
	if err = node.Subscribe(n, name+"/cancel", s.cancelled); err != nil {
		return nil, err
	}
	if err = node.Subscribe(n, name+"/goal", s.received); err != nil {
		return nil, err
	}
	go s.report()
	return s, nil
}

// Close stops reporting; the node closes the topics.
func (s *Server[G, R, F]) Close() {
	close(s.stop)
	<-s.done
}

// report publishes the status at actionlib's rate.
func (s *Server[G, R, F]) report() {
	defer close(s.done)
	tick := time.NewTicker(statusPeriod)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			s.mu.Lock()
			s.publish()
			s.mu.Unlock()
		}
	}
}

// publish sends the status of the remembered goals. It is called with mu held.
func (s *Server[G, R, F]) publish() {
	s.seq++
	s.status.Write(&msgs.GoalStatusArray{
		Header:     msgs.Header{Seq: s.seq, Stamp: time.Now()},
		StatusList: append([]msgs.GoalStatus(nil), s.goals...),
	})
}

// received takes a goal: known ones are acknowledged again, new ones preempt.
func (s *Server[G, R, F]) received(g *G) {
	id := *field[msgs.GoalID](g, "GoalId")
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.goals {
		if s.goals[i].GoalId.Id == id.Id {
			s.publish()
			return
		}
	}
	if err := s.onGoal(g); err != nil {
		s.add(msgs.GoalStatus{GoalId: id, Status: msgs.GoalRejected, Text: err.Error()})
		s.sendResult(nil)
	} else {
		s.finish(msgs.GoalPreempted, nil)
		s.add(msgs.GoalStatus{GoalId: id, Status: msgs.GoalActive})
	}
	s.publish()
}

func (s *Server[G, R, F]) add(g msgs.GoalStatus) {
	if len(s.goals) == remembered {
		s.goals = append(s.goals[:0], s.goals[1:]...)
	}
	s.goals = append(s.goals, g)
}

// cancelled ends the active goal when the request is meant for it (an empty id is meant for all).
func (s *Server[G, R, F]) cancelled(id *msgs.GoalID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.goals); n == 0 || s.goals[n-1].Status != msgs.GoalActive || id.Id != "" && id.Id != s.goals[n-1].GoalId.Id {
		return
	}
	if s.onCancel != nil {
		s.onCancel()
	}
	s.finish(msgs.GoalPreempted, nil)
	s.publish()
}

// Active reports whether a goal is being worked on.
func (s *Server[G, R, F]) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.goals)
	return n > 0 && s.goals[n-1].Status == msgs.GoalActive
}

// Finish ends the goal of an id, if it is still active, with a final status (msgs.GoalSucceeded, GoalAborted,
// GoalPreempted). fill sets the result's content; it may be nil.
func (s *Server[G, R, F]) Finish(id string, status uint8, fill func(*R)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.goals); n > 0 && s.goals[n-1].GoalId.Id == id && s.finish(status, fill) {
		s.publish()
	}
}

func (s *Server[G, R, F]) finish(status uint8, fill func(*R)) bool {
	n := len(s.goals)
	if n == 0 || s.goals[n-1].Status != msgs.GoalActive {
		return false
	}
	s.goals[n-1].Status = status
	s.sendResult(fill)
	return true
}

// sendResult publishes the result of the newest goal.
func (s *Server[G, R, F]) sendResult(fill func(*R)) {
	r := new(R)
	if fill != nil {
		fill(r)
	}
	field[msgs.Header](r, "Header").Stamp = time.Now()
	*field[msgs.GoalStatus](r, "Status") = s.goals[len(s.goals)-1]
	s.result.Write(r)
}
