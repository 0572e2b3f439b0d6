package robot

import (
	"cmp"
	"context"
	"log/slog"
	"math"

	"korr/ros/msgs"
	"korr/ros/transport"
)

// hand is a Franka gripper, commanded by actions on a change.
type hand struct {
	cfg   *Config
	log   *slog.Logger
	grasp transport.ActionClient[msgs.GraspGoal]
	move  transport.ActionClient[msgs.MoveGoal]
	hold  func(string)

	grip                      // sent: the last goal acknowledged
	cancel context.CancelFunc // of the goal that run is sending; nil if it is not; guarded by mu
}

func newHand(l link, cfg *Config, hold func(string)) (*hand, error) {
	h := &hand{cfg: cfg, log: cfg.Logger, hold: hold, grip: newGrip()}
	var err, err2 error
	h.grasp, err = transport.NewActionClient[msgs.GraspActionGoal, msgs.GraspActionResult, msgs.GraspGoal,
		msgs.GraspResult](l, transport.Grasp)
	h.move, err2 = transport.NewActionClient[msgs.MoveActionGoal, msgs.MoveActionResult, msgs.MoveGoal, msgs.MoveResult](l,
		transport.Move)
	return h, noActions(cmp.Or(err, err2))
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
		err = h.grasp.Do(ctx, func(m *msgs.GraspGoal) {
			m.Speed, m.Force = g.Speed, g.Force
			m.Epsilon.Outer = g.OpenWidth // whatever is gripped is right
		})
	} else {
		err = h.move.Do(ctx, func(m *msgs.MoveGoal) { m.Width, m.Speed = g.OpenWidth, g.Speed })
	}
	if err == nil {
		h.mu.Lock()
		h.sent = sign
		h.mu.Unlock()
	}
	return err
}
