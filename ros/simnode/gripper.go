package simnode

import (
	"errors"
	"math"
	"sync"

	"korr/ros/msgs"
	"korr/ros/transport"
)

const (
	settled  = 2e-4 // m per control step below which the fingers are taken to have stopped
	tooSmall = 1e-9 // m/s; a slower goal asks for nothing
)

var errGoal = errors.New("a gripper goal needs a finite width of at least 0 and a positive speed")

// gripper serves the actions of franka_gripper, and in ROS 2 its service stop. The simulated hand opens or closes at
// its own speed and force, so a goal's speed and force are checked and otherwise ignored.
type gripper struct {
	openAt float64
	grasp  transport.ActionServer[msgs.GraspResult]
	move   transport.ActionServer[msgs.MoveResult]
	homing transport.ActionServer[msgs.HomingResult]
	stop   transport.ActionServer[msgs.StopResult] // nil in ROS 2, where it is a service

	mu        sync.Mutex
	sign      float64 // -1 opens, +1 closes, 0 keeps what it does
	active    goal    // being worked on
	preempted []goal  // by a goal of another action; reported by the simulator's goroutine
	steps     int     // control steps since the goal came
	width     float64 // m, newest
	allowed   [2]float64
}

// goal names an action and one of its goals; the zero value is none.
type goal struct{ action, id string }

func newGripper(l transport.Link, openAt float64) (*gripper, error) {
	g := &gripper{openAt: openAt}
	var errs [4]error
	g.grasp, errs[0] = transport.NewActionServer[msgs.GraspActionGoal, msgs.GraspActionResult, msgs.GraspActionFeedback,
		msgs.GraspGoal, msgs.GraspResult, msgs.GraspFeedback](l, transport.Grasp, g.onGrasp, g.keep)
	g.move, errs[1] = transport.NewActionServer[msgs.MoveActionGoal, msgs.MoveActionResult, msgs.MoveActionFeedback,
		msgs.MoveGoal, msgs.MoveResult, msgs.MoveFeedback](l, transport.Move, g.onMove, g.keep)
	g.homing, errs[2] = transport.NewActionServer[msgs.HomingActionGoal, msgs.HomingActionResult,
		msgs.HomingActionFeedback, msgs.HomingGoal, msgs.HomingResult, msgs.HomingFeedback](l, transport.Homing, g.onHoming,
		g.keep)
	if transport.ROS2(l) {
		errs[3] = transport.Serve[msgs.Trigger](l, msgs.StopService, func(*msgs.TriggerReq) (*msgs.TriggerRes, bool) {
			g.keep()
			return &msgs.TriggerRes{Success: true}, true
		})
	} else {
		g.stop, errs[3] = transport.NewActionServer[msgs.StopActionGoal, msgs.StopActionResult, msgs.StopActionFeedback,
			msgs.StopGoal, msgs.StopResult, msgs.StopFeedback](l, transport.Action{ROS1: msgs.GripperAction + "stop"}, g.onStop,
			nil)
	}
	if err := errors.Join(errs[:]...); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *gripper) close() {
	if g.grasp != nil {
		g.grasp.Close()
	}
	if g.move != nil {
		g.move.Close()
	}
	if g.homing != nil {
		g.homing.Close()
	}
	if g.stop != nil {
		g.stop.Close()
	}
}

// begin takes a goal over. It runs inside an action server, so it must not call another one.
func (g *gripper) begin(next goal, sign, inner, outer float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active.action != "" && g.active.action != next.action {
		g.preempted = append(g.preempted, g.active)
	}
	g.sign, g.active, g.steps, g.allowed = sign, next, 0, [2]float64{inner, outer}
}

func (g *gripper) keep() { g.begin(goal{}, 0, 0, 0) }

func bad(width, speed float64) bool {
	return math.IsNaN(width) || math.IsInf(width, 0) || width < 0 || !(speed > tooSmall)
}

func (g *gripper) onGrasp(id string, m *msgs.GraspGoal) error {
	if bad(m.Width, m.Speed) {
		return errGoal
	}
	g.begin(goal{"grasp", id}, 1, m.Width-m.Epsilon.Inner, m.Width+m.Epsilon.Outer)
	return nil
}

func (g *gripper) onMove(id string, m *msgs.MoveGoal) error {
	if bad(m.Width, m.Speed) {
		return errGoal
	}
	sign := 1.0
	if m.Width >= g.openAt {
		sign = -1
	}
	g.begin(goal{"move", id}, sign, math.Inf(-1), math.Inf(1))
	return nil
}

func (g *gripper) onHoming(id string, _ *msgs.HomingGoal) error {
	g.begin(goal{"homing", id}, -1, math.Inf(-1), math.Inf(1))
	return nil
}

func (g *gripper) onStop(id string, _ *msgs.StopGoal) error {
	g.begin(goal{"stop", id}, 0, math.Inf(-1), math.Inf(1))
	return nil
}

// command is the gripper's part of the next action. It also reports goals that another action's goal preempted.
func (g *gripper) command() float64 {
	g.mu.Lock()
	sign, ended := g.sign, g.preempted
	g.preempted = nil
	g.mu.Unlock()
	for _, e := range ended {
		g.finish(e, msgs.GoalPreempted, false, "another gripper action took over")
	}
	return sign
}

// reset forgets the goal; a new episode starts with the gripper as the environment sets it.
func (g *gripper) reset() {
	g.mu.Lock()
	ended := append(g.preempted, g.active)
	g.sign, g.active, g.preempted = 0, goal{}, nil
	g.mu.Unlock()
	for _, e := range ended {
		g.finish(e, msgs.GoalAborted, false, "the simulator was reset")
	}
}

// moved learns the width (m) after a control step and ends the goal once the fingers stand still.
func (g *gripper) moved(width float64) {
	g.mu.Lock()
	still := math.Abs(width-g.width) < settled
	g.width = width
	g.steps++
	ended, ok := g.active, width >= g.allowed[0] && width <= g.allowed[1]
	if ended.action == "" || !still || g.steps < 2 {
		g.mu.Unlock()
		return
	}
	g.active = goal{}
	g.mu.Unlock()
	if ok {
		g.finish(ended, msgs.GoalSucceeded, true, "")
	} else {
		g.finish(ended, msgs.GoalAborted, false, "nothing of the width asked for was gripped")
	}
}

// finish reports the end of a goal.
func (g *gripper) finish(e goal, status uint8, success bool, why string) {
	switch e.action {
	case "grasp":
		g.grasp.Finish(e.id, status, func(r *msgs.GraspResult) { r.Success, r.Error = success, why })
	case "move":
		g.move.Finish(e.id, status, func(r *msgs.MoveResult) { r.Success, r.Error = success, why })
	case "homing":
		g.homing.Finish(e.id, status, func(r *msgs.HomingResult) { r.Success, r.Error = success, why })
	case "stop":
		g.stop.Finish(e.id, status, func(r *msgs.StopResult) { r.Success, r.Error = success, why })
	}
}
