package robot

import (
	"context"
	"errors"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
	"korr/ros/transport"
)

// recoverTimeout is how long the arm may take to acknowledge a recovery.
const recoverTimeout = time.Second

// recovery sends the arm's error_recovery action. Nothing but an operator's ~recover does.
type recovery struct {
	client transport.ActionClient[msgs.ErrorRecoveryGoal] // nil: this arm has none
}

// connect makes the action client of a Franka arm.
func (v *recovery) connect(l link, cfg *Config) error {
	if cfg.Passive || cfg.Arm != nil || cfg.LockStep {
		return nil
	}
	c, err := transport.NewActionClient[msgs.ErrorRecoveryActionGoal, msgs.ErrorRecoveryActionResult,
		msgs.ErrorRecoveryGoal, msgs.ErrorRecoveryResult](l, transport.Recovery)
	if err != nil {
		return noActions(err)
	}
	v.client = c
	return nil
}

// recover serves ~recover. The arm is free to move again afterwards, so it is refused while the loop may command it.
// The fault of the loop stands: that is ~reset_fault's.
func (r *Robot) recover() error {
	if r.recovery.client == nil {
		return errors.New("this arm has no error recovery")
	}
	r.guard.mu.Lock()
	s := r.guard.loop
	r.guard.mu.Unlock()
	if s != nil {
		if st := s.Status(); st.State == loop.StateRun || st.Enabled && st.State != loop.StateFault {
			return errors.New("the control loop is enabled: call ~enable with false first")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoverTimeout)
	defer cancel()
	r.log.Warn("an operator recovers the arm", "action", "error_recovery")
	return r.recovery.client.Do(ctx, func(*msgs.ErrorRecoveryGoal) {})
}
