package action

import (
	"slices"
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
	feedback *node.Publisher[F]
	stop     chan struct{}
	done     chan struct{}

	mu    sync.Mutex
	goals []msgs.GoalStatus // oldest first; at most one is active
	seq   uint32
	slow  bool // see FinishesCancelled
}

// NewServer serves the action of a name. onGoal is called for each new goal and must only store it; an error rejects
// the goal. onCancel is called when the active goal is cancelled; the goal then counts as preempted. It may be nil.
func NewServer[G, R, F any](
	n *node.Node, name string, onGoal func(*G) error, onCancel func(),
) (*Server[G, R, F], error) {
	s := &Server[G, R, F]{onGoal: onGoal, onCancel: onCancel, stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	if s.status, err = node.Advertise[msgs.GoalStatusArray](n, name+"/status", true); err != nil {
		return nil, err
	}
	if s.result, err = node.Advertise[R](n, name+"/result", false); err != nil {
		return nil, err
	}
	if s.feedback, err = node.Advertise[F](n, name+"/feedback", false); err != nil {
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

// FinishesCancelled leaves the end of a cancelled goal to the owner: onCancel is called, the goal is PREEMPTING, and
// Finish ends it with a result. Without it a cancelled goal ends at once with an empty result.
func (s *Server[G, R, F]) FinishesCancelled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = true
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
		rejected := msgs.GoalStatus{GoalId: id, Status: msgs.GoalRejected, Text: err.Error()}
		s.add(rejected)
		s.sendResult(rejected, nil)
	} else {
		s.finish(s.active(), msgs.GoalPreempted, nil)
		s.add(msgs.GoalStatus{GoalId: id, Status: msgs.GoalActive})
	}
	s.publish()
}

// add remembers a goal in place of the oldest one that is over.
func (s *Server[G, R, F]) add(g msgs.GoalStatus) {
	if len(s.goals) >= remembered {
		if i := slices.IndexFunc(s.goals, func(g msgs.GoalStatus) bool { return !running(g.Status) }); i >= 0 {
			s.goals = slices.Delete(s.goals, i, i+1)
		}
	}
	s.goals = append(s.goals, g)
}

func running(status uint8) bool { return status == msgs.GoalActive || status == msgs.GoalPreempting }

// active is the goal being worked on, or nil.
func (s *Server[G, R, F]) active() *msgs.GoalStatus {
	for i := range s.goals {
		if running(s.goals[i].Status) {
			return &s.goals[i]
		}
	}
	return nil
}

// cancelled ends the active goal when the request is meant for it (an empty id is meant for all).
func (s *Server[G, R, F]) cancelled(id *msgs.GoalID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.active()
	if g == nil || g.Status != msgs.GoalActive || id.Id != "" && id.Id != g.GoalId.Id {
		return
	}
	if s.onCancel != nil {
		s.onCancel()
	}
	if s.slow {
		g.Status = msgs.GoalPreempting
	} else {
		s.finish(g, msgs.GoalPreempted, nil)
	}
	s.publish()
}

// Active reports whether a goal is being worked on.
func (s *Server[G, R, F]) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active() != nil
}

// Finish ends the goal of an id, if it is still active, with a final status (msgs.GoalSucceeded, GoalAborted,
// GoalPreempted). fill sets the result's content; it may be nil.
func (s *Server[G, R, F]) Finish(id string, status uint8, fill func(*R)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.active(); g != nil && g.GoalId.Id == id {
		s.finish(g, status, fill)
		s.publish()
	}
}

// Feedback tells how far the goal of an id is, if it is still active. fill sets the content.
func (s *Server[G, R, F]) Feedback(id string, fill func(*F)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.active()
	if g == nil || g.GoalId.Id != id {
		return
	}
	f := new(F)
	fill(f)
	field[msgs.Header](f, "Header").Stamp = time.Now()
	*field[msgs.GoalStatus](f, "Status") = *g
	s.feedback.Write(f)
}

// finish ends a goal, unless it is nil.
func (s *Server[G, R, F]) finish(g *msgs.GoalStatus, status uint8, fill func(*R)) {
	if g == nil {
		return
	}
	g.Status = status
	s.sendResult(*g, fill)
}

// sendResult publishes the result of a goal.
func (s *Server[G, R, F]) sendResult(g msgs.GoalStatus, fill func(*R)) {
	r := new(R)
	if fill != nil {
		fill(r)
	}
	field[msgs.Header](r, "Header").Stamp = time.Now()
	*field[msgs.GoalStatus](r, "Status") = g
	s.result.Write(r)
}
