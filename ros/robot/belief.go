package robot

import (
	"fmt"
	"time"

	"korr/internal/geom"
	"korr/residual/plausible"
	"korr/ros/msgs"
)

// What a Franka's state can say. The shoulder is 0.333 m above the base; the arm reaches 0.72 m from there to its
// wrist, and 0.23 m more with its hand (package panda). A tool of another length adds to that.
var frankaReach = plausible.ToolLimits{Centre: geom.Vec3{0, 0, 0.333}, Radius: 1.1, MaxSpeed: 2.5, MaxTurn: 8}

const (
	narrowest, widest = -0.02, 0.5 // m, of a gripper
	homogeneous       = 1e-3       // how far the last row of a pose's matrix may be from 0 0 0 1
	fastTwist         = 2          // how much faster than it can move an arm may report to move
)

// newFrankaArm believes poses within a Franka's reach. A simulator in lock step is reset at any time: it may leap.
func newFrankaArm(cfg *Config) *frankaArm {
	a := &frankaArm{reported: cfg.ReportedTwist, topic: msgs.StateTopic, belief: plausible.Tool{Limits: frankaReach}}
	if cfg.LockStep {
		a.belief.Limits.MaxSpeed = 0
	}
	return a
}

// lastRow reports what is wrong with the row of a column-major 4x4 matrix that must be 0 0 0 1.
func lastRow(m *[16]float64) error {
	for k, want := range [4]float64{0, 0, 0, 1} {
		if d := m[4*k+3] - want; !(d >= -homogeneous && d <= homogeneous) {
			return &plausible.Error{What: "the arm's pose", Why: fmt.Sprintf("is no rigid transform: its last row is %.3g "+
				"%.3g %.3g %.3g", m[3], m[7], m[11], m[15])}
		}
	}
	return nil
}

func (a *frankaArm) forget() { a.belief.Forget() }

// accept implements arm.
func (a *frankaArm) accept(s *armState, came time.Time) error {
	err := s.wrong
	if err == nil {
		err = twistOf(s, &a.belief.Limits)
	}
	if err == nil {
		err = a.belief.Accept(s.pose.P, s.turn, s.head.Stamp, came)
	}
	if err != nil {
		return &BeliefError{a.topic, err}
	}
	return nil
}

// twistOf looks at a velocity that the policy reads.
func twistOf(s *armState, l *plausible.ToolLimits) error {
	v, w := geom.Vec3(s.twist[:3]), geom.Vec3(s.twist[3:])
	speed := frankaReach.MaxSpeed
	if !plausible.Finite(s.twist[:]) || v.Norm() > fastTwist*speed || w.Norm() > fastTwist*l.MaxTurn {
		return &plausible.Error{
			What: "the arm's velocity",
			Why:  fmt.Sprintf("%.3g is not finite, or more than an arm can do", s.twist),
		}
	}
	return nil
}

func (a *jointArm) forget() { a.belief.Forget() }

// accept implements arm. Nothing is computed from joints that are not believed.
func (a *jointArm) accept(s *armState, came time.Time) error {
	err := s.wrong
	if err == nil {
		err = a.belief.Accept(s.q, s.dq, s.head.Stamp, came)
	}
	if err != nil {
		return &BeliefError{a.file.StateTopic, err}
	}
	s.pose = a.chain.Forward(s.q)
	if s.dq != nil {
		s.twist = a.chain.Twist(s.q, s.dq)
	}
	r := s.pose.Q.Rot6D()
	copy(s.first[:3], s.pose.P[:])
	copy(s.first[3:], r[:])
	return nil
}

// accept says whether a width can be true.
func (f *fingerState) accept() error {
	switch {
	case f.err != nil:
		return f.err
	case !(f.width >= narrowest && f.width <= widest):
		return &BeliefError{f.topic, &plausible.Error{
			What: "the gripper's width",
			Why:  fmt.Sprintf("of %.4g m is not finite, or impossible", f.width),
		}}
	}
	return nil
}
