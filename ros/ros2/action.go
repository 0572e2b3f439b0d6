package ros2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/rosidl"
)

// The messages of an action's services, around its goal G, result R and feedback F. Their names follow the action's.
type (
	sendGoalReq[G any] struct {
		node.Package `ros:"action_msgs" ros2:"action_msgs/action/SendGoal_Request"`
		GoalId       msgs.UUID //nolint:revive // the wire name is goal_id
		Goal         G
	}
	sendGoalRes struct {
		node.Package `ros:"action_msgs" ros2:"action_msgs/action/SendGoal_Response"`
		Accepted     bool
		Stamp        time.Time
	}
	getResultReq struct {
		node.Package `ros:"action_msgs" ros2:"action_msgs/action/GetResult_Request"`
		GoalId       msgs.UUID //nolint:revive // the wire name is goal_id
	}
	getResultRes[R any] struct {
		node.Package `ros:"action_msgs" ros2:"action_msgs/action/GetResult_Response"`
		Status       int8
		Result       R
	}
	feedbackMessage[F any] struct {
		node.Package `ros:"action_msgs" ros2:"action_msgs/action/FeedbackMessage"`
		GoalId       msgs.UUID //nolint:revive // the wire name is goal_id
		Feedback     F
	}
)

// remembered is how many goals a server remembers.
const remembered = 16

// ErrRejected means that a server did not take a goal.
var ErrRejected = errors.New("the action server rejected the goal")

// kinds are the types of an action's services, by the action's name ("franka_msgs/action/Grasp").
func kinds[G, R any](action string) (send, result, cancel *rosidl.Service, err error) {
	var errs [3]error
	send, errs[0] = rosidl.NewService[sendGoalReq[G], sendGoalRes](action + "_SendGoal")
	result, errs[1] = rosidl.NewService[getResultReq, getResultRes[R]](action + "_GetResult")
	cancel, errs[2] = rosidl.NewService[msgs.CancelGoalReq, msgs.CancelGoalRes](msgs.CancelGoalService)
	return send, result, cancel, errors.Join(errs[:]...)
}

// ActionClient sends goals to one action server. Do is for one goroutine.
type ActionClient[G, R any] struct {
	name string
	send *Client[sendGoalReq[G], sendGoalRes]
}

// NewActionClient connects to the action of a name; kind is its type.
func NewActionClient[G, R any](n *Node, name, kind string) (*ActionClient[G, R], error) {
	send, _, _, err := kinds[G, R](kind)
	if err != nil {
		return nil, err
	}
	c := &ActionClient[G, R]{name: name}
	c.send, err = newClient[sendGoalReq[G], sendGoalRes](n, name+"/_action/send_goal", send)
	return c, err
}

// Do sends a goal and waits until the server has taken it; it does not wait for the result. The error wraps
// ErrNoServer, ErrRejected or ctx's.
func (c *ActionClient[G, R]) Do(ctx context.Context, fill func(*G)) error {
	req := &sendGoalReq[G]{}
	if _, err := rand.Read(req.GoalId.Uuid[:]); err != nil {
		return err
	}
	fill(&req.Goal)
	res, err := c.send.call(ctx, req)
	if err == nil && !res.Accepted {
		err = ErrRejected
	}
	if err != nil {
		return fmt.Errorf("action %s: %w", c.name, err)
	}
	return nil
}

// ActionServer serves one action with one goal at a time: a new goal aborts the one before. Goals are named by their
// UUIDs in hexadecimal.
type ActionServer[G, R, F any] struct {
	onGoal   func(id string, goal *G) error
	onCancel func()
	node     *Node
	status   *Publisher[msgs.GoalStatusArray2]
	feedback *Publisher[feedbackMessage[F]]

	mu    sync.Mutex
	goals []*serverGoal[R] // oldest first; at most one is active
}

type serverGoal[R any] struct {
	info   msgs.GoalInfo
	status int8
	result R
	waits  []func(*getResultRes[R])
}

func (g *serverGoal[R]) over() bool { return g.status > msgs.Goal2Canceling }

// NewActionServer serves the action of a name; kind is its type. onGoal is called for each new goal and must only store
// it; an error rejects the goal. onCancel is called when the active goal is cancelled; it may be nil.
func NewActionServer[G, R, F any](n *Node, name, kind string,
	onGoal func(string, *G) error, onCancel func(),
) (*ActionServer[G, R, F], error) {
	s := &ActionServer[G, R, F]{node: n, onGoal: onGoal, onCancel: onCancel}
	send, result, cancel, err := kinds[G, R](kind)
	if err != nil {
		return nil, err
	}
	said, err := rosidl.For[feedbackMessage[F]]()
	if err != nil {
		return nil, err
	}
	at := name + "/_action/"
	if s.status, err = Advertise[msgs.GoalStatusArray2](n, at+"status", Latched); err != nil {
		return nil, err
	}
	if s.feedback, err = advertise[feedbackMessage[F]](n, at+"feedback", Report,
		said.Named(kind+"_FeedbackMessage")); err != nil {
		return nil, err
	}
	return s, errors.Join(
		serve(n, at+"get_result", result, s.wantResult), serve(n, at+"cancel_goal", cancel, s.cancel),
		serve(n, at+"send_goal", send, s.received),
	)
}

func (s *ActionServer[G, R, F]) find(id msgs.UUID) *serverGoal[R] {
	for _, g := range s.goals {
		if g.info.GoalId == id {
			return g
		}
	}
	return nil
}

// active is the goal being worked on, or nil.
func (s *ActionServer[G, R, F]) active() *serverGoal[R] {
	for _, g := range s.goals {
		if !g.over() {
			return g
		}
	}
	return nil
}

func (s *ActionServer[G, R, F]) received(q *sendGoalReq[G], reply func(*sendGoalRes)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(q.GoalId) != nil {
		reply(&sendGoalRes{})
		return
	}
	if err := s.onGoal(hex.EncodeToString(q.GoalId.Uuid[:]), &q.Goal); err != nil {
		s.node.log.Warn("a goal was rejected", "err", err)
		reply(&sendGoalRes{})
		return
	}
	s.end(s.active(), msgs.Goal2Aborted, nil)
	if len(s.goals) >= remembered {
		s.goals = slices.Delete(s.goals, 0, 1)
	}
	g := &serverGoal[R]{info: msgs.GoalInfo{GoalId: q.GoalId, Stamp: s.node.Now()}, status: msgs.Goal2Executing}
	s.goals = append(s.goals, g)
	s.publish()
	reply(&sendGoalRes{Accepted: true, Stamp: g.info.Stamp})
}

func (s *ActionServer[G, R, F]) wantResult(q *getResultReq, reply func(*getResultRes[R])) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch g := s.find(q.GoalId); {
	case g == nil:
		reply(&getResultRes[R]{Status: msgs.Goal2Unknown})
	case g.over():
		reply(&getResultRes[R]{Status: g.status, Result: g.result})
	default:
		g.waits = append(g.waits, reply)
	}
}

// cancel ends the active goal when the request is meant for it; zeros are meant for all.
func (s *ActionServer[G, R, F]) cancel(q *msgs.CancelGoalReq, reply func(*msgs.CancelGoalRes)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := q.GoalInfo.GoalId
	g := s.active()
	switch {
	case g == nil || id != (msgs.UUID{}) && id != g.info.GoalId:
		code := msgs.CancelUnknownID
		if s.find(id) != nil {
			code = msgs.CancelTerminated
		}
		reply(&msgs.CancelGoalRes{ReturnCode: code})
		return
	case s.onCancel != nil:
		s.onCancel()
	}
	info := g.info
	reply(&msgs.CancelGoalRes{GoalsCanceling: []msgs.GoalInfo{info}})
	s.end(g, msgs.Goal2Canceled, nil)
	s.publish()
}

// Finish ends the goal of an id, if it is still active, with a final status of ROS 1 (msgs.GoalSucceeded, GoalAborted,
// GoalPreempted). fill sets the result; it may be nil.
func (s *ActionServer[G, R, F]) Finish(id string, status uint8, fill func(*R)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.active()
	if g == nil || hex.EncodeToString(g.info.GoalId.Uuid[:]) != id {
		return
	}
	to := msgs.Goal2Aborted
	if status == msgs.GoalSucceeded {
		to = msgs.Goal2Succeeded
	}
	s.end(g, to, fill)
	s.publish()
}

// Active reports whether a goal is being worked on.
func (s *ActionServer[G, R, F]) Active() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active() != nil
}

// Close does nothing: the node closes the topics and services.
func (s *ActionServer[G, R, F]) Close() {}

// end ends a goal, unless it is nil, and answers who waits for its result. It is called with mu held.
func (s *ActionServer[G, R, F]) end(g *serverGoal[R], status int8, fill func(*R)) {
	if g == nil {
		return
	}
	g.status = status
	if fill != nil {
		fill(&g.result)
	}
	for _, reply := range g.waits {
		reply(&getResultRes[R]{Status: g.status, Result: g.result})
	}
	g.waits = nil
}

// publish sends the status of the remembered goals. It is called with mu held.
func (s *ActionServer[G, R, F]) publish() {
	m := &msgs.GoalStatusArray2{}
	for _, g := range s.goals {
		m.StatusList = append(m.StatusList, msgs.GoalStatus2{GoalInfo: g.info, Status: g.status})
	}
	s.status.Write(m)
}
