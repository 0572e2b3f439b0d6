package robot

import (
	"context"
	"errors"
	"log/slog"
	"math"

	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/node"
)

// hand is a Franka gripper, commanded by actions on a change.
type hand struct {
	cfg   *Config
	log   *slog.Logger
	grasp *action.Client[msgs.GraspActionGoal, msgs.GraspActionResult]
	move  *action.Client[msgs.MoveActionGoal, msgs.MoveActionResult]
	hold  func(string)

	grip                      // sent: the last goal acknowledged
	cancel context.CancelFunc // of the goal that run is sending; nil if it is not; guarded by mu
}

func newHand(n *node.Node, cfg *Config, hold func(string)) (*hand, error) {
	h := &hand{cfg: cfg, log: cfg.Logger, hold: hold, grip: newGrip()}
	var err, err2 error
	h.grasp, err = action.NewClient[msgs.GraspActionGoal, msgs.GraspActionResult](n, msgs.GripperAction+"grasp")
	h.move, err2 = action.NewClient[msgs.MoveActionGoal, msgs.MoveActionResult](n, msgs.GripperAction+"move")
	return h, errors.Join(err, err2)
}

// still drops a goal that was not acknowledged: the next command beyond the dead band counts anew.
func (h *hand) still() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wanted = h.sent
	if h.cancel != nil {
		h.cancel()
		h.sent = 0 // it may have arrived
	}
}

// run sends goals in real time, beside the poses.
func (h *hand) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		goal, cancel := context.WithCancel(ctx)
		h.mu.Lock()
		wanted := h.wanted
		h.cancel = cancel
		h.mu.Unlock()
		err := h.do(goal, wanted)
		dropped := goal.Err() != nil
		h.mu.Lock()
		h.cancel = nil
		h.mu.Unlock()
		cancel()
		if err != nil && !dropped {
			h.log.Error("the gripper does not answer", "err", err)
			h.hold("the gripper does not answer: " + err.Error())
		}
	}
}

// do sends the goal of a command beyond the dead band, unless the last goal was the same, and waits until it is
// acknowledged.
func (h *hand) do(ctx context.Context, grip float64) error {
	sign := math.Copysign(1, grip)
	h.mu.Lock()
	same := math.Abs(grip) <= deadBand || sign == h.sent
	h.mu.Unlock()
	if same {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Gripper.Timeout)
	defer cancel()
	g := h.cfg.Gripper
	var err error
	if sign > 0 {
		err = h.grasp.Do(ctx, func(m *msgs.GraspActionGoal) {
			m.Goal.Speed, m.Goal.Force = g.Speed, g.Force
			m.Goal.Epsilon.Outer = g.OpenWidth // whatever is gripped is right
		})
	} else {
		err = h.move.Do(ctx, func(m *msgs.MoveActionGoal) { m.Goal.Width, m.Goal.Speed = g.OpenWidth, g.Speed })
	}
	if err == nil {
		h.mu.Lock()
		h.sent = sign
		h.mu.Unlock()
	}
	return err
}
