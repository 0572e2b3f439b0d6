package robot

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"korr/internal/geom"
	"korr/residual/loop"
	"korr/residual/plausible"
	"korr/ros/msgs"
	"korr/ros/robot/chain"
	"korr/ros/transport"
)

// jointArm is an arm that an ArmFile describes.
type jointArm struct {
	file   *ArmFile
	chain  *chain.Chain
	belief plausible.Joints
	newest atomic.Pointer[armState]
	now    func() time.Time
	path   publisher[msgs.JointTrajectory]
	pose   publisher[msgs.PoseStamped] // of an arm that is commanded by poses
}

func newJointArm(f *ArmFile) (*jointArm, error) {
	if f.kinematics == nil {
		return nil, errors.New("robot: an ArmFile comes from LoadArm or ParseArm")
	}
	a := &jointArm{file: f, chain: f.kinematics}
	for _, j := range a.chain.Joints {
		a.belief.Limits = append(a.belief.Limits, plausible.Joint{
			Name: j.Name, Min: j.Min, Max: j.Max,
			MaxVelocity: j.MaxVelocity,
		})
	}
	return a, nil
}

// watch takes arm and gripper from joint states; a message that lacks one of the arm's joints is not about the arm.
func (a *jointArm) watch(l link, r *Robot) error {
	g := &a.file.Gripper
	finger := func(m *msgs.JointState) {
		if f := a.fingers(m); f != nil {
			r.storeFingers(f)
		}
	}
	if err := transport.Subscribe(l, a.file.StateTopic, transport.State, func(m *msgs.JointState) {
		if g.StateTopic == a.file.StateTopic {
			finger(m)
		}
		if s := a.state(m); s != nil && r.storeArm(s) {
			a.newest.Store(s)
		}
	}); err != nil {
		return err
	}
	if g.StateTopic == a.file.StateTopic {
		return nil
	}
	return transport.Subscribe(l, g.StateTopic, transport.State, finger)
}

// pick returns the values of the joints named, nil unless all are there.
func pick(m *msgs.JointState, values []float64, names func(i int) string, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		at := slices.Index(m.Name, names(i))
		if at < 0 || at >= len(values) {
			return nil
		}
		out[i] = values[at]
	}
	return out
}

// doubled names the first joint that a message tells more than once: which of them is true cannot be known.
func doubled(m *msgs.JointState, names func(i int) string, n int) error {
	for i := range n {
		at := slices.Index(m.Name, names(i))
		if at >= 0 && slices.Contains(m.Name[at+1:], names(i)) {
			return &plausible.Error{What: "joint " + names(i), Why: "is told more than once in a message"}
		}
	}
	return nil
}

// state is the arm by its joints, whose pose accept adds; nil when the message is about something else. Joints without
// a velocity stand still. Names decide which value is whose, and what the chain does not name is not looked at.
func (a *jointArm) state(m *msgs.JointState) *armState {
	name := func(i int) string { return a.chain.Joints[i].Name }
	q := pick(m, m.Position, name, len(a.chain.Joints))
	if q == nil {
		return nil
	}
	return &armState{head: m.Header, q: q, dq: pick(m, m.Velocity, name, len(q)), wrong: doubled(m, name, len(q))}
}

// fingers is the gripper's width, of an arm without one a constant as old as the message.
func (a *jointArm) fingers(m *msgs.JointState) *fingerState {
	g := &a.file.Gripper
	f := &fingerState{topic: g.StateTopic, stamp: m.Header.Stamp, width: g.Width}
	if len(g.Joints) == 0 {
		return f
	}
	at := pick(m, m.Position, func(i int) string { return g.Joints[i] }, len(g.Joints))
	if at == nil {
		return nil
	}
	f.err = doubled(m, func(i int) string { return g.Joints[i] }, len(g.Joints))
	f.width = g.Offset
	for _, v := range at {
		f.width += g.Scale * v
	}
	return f
}

func (a *jointArm) connect(l link, _ *Config, _ func(string)) (gripper, error) {
	var err error
	a.now = l.Now
	if a.file.Command == "pose" {
		a.pose, err = transport.Advertise[msgs.PoseStamped](l, a.file.CommandTopic, transport.Command)
	} else {
		a.path, err = transport.Advertise[msgs.JointTrajectory](l, a.file.CommandTopic, transport.Command)
	}
	if err != nil {
		return nil, err
	}
	h := &jointHand{file: &a.file.Gripper, now: l.Now, grip: newGrip()}
	if len(h.file.Joints) > 0 && h.file.CommandTopic != "" {
		h.path, err = transport.Advertise[msgs.JointTrajectory](l, h.file.CommandTopic, transport.Command)
	}
	return h, err
}

// move publishes the pose, or one point of a trajectory: as far toward the pose's joints as the joints' limits and
// velocities allow in the time of the point.
func (a *jointArm) move(h msgs.Header, target geom.Pose, permit loop.Permit) error {
	if a.pose != nil {
		if err := permit.Take(); err != nil {
			return err
		}
		a.pose.Write(&msgs.PoseStamped{Header: h, Pose: msgs.PoseOf(target)})
		return nil
	}
	s := a.newest.Load()
	if s == nil {
		return errors.New("robot: the arm's joints were never heard")
	}
	goal, _, _ := a.chain.Solve(target, s.q)
	return a.send(a.chain.Toward(s.q, goal, a.file.TimeFromStart), permit)
}

// stay publishes the joints that were measured, those beyond a limit at the limit.
func (a *jointArm) stay(h msgs.Header, at *armState) error {
	if a.pose != nil {
		return a.move(h, at.pose, loop.Permit{})
	}
	return a.send(a.chain.Clamp(at.q), loop.Permit{})
}

// send publishes one point of a trajectory.
func (a *jointArm) send(goal []float64, permit loop.Permit) error {
	for i, v := range goal {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("robot: joint %s would be commanded to %g", a.chain.Joints[i].Name, v)
		}
	}
	m := trajectory(a.now(), goal, a.file.TimeFromStart)
	for i := range a.chain.Joints {
		m.JointNames = append(m.JointNames, a.chain.Joints[i].Name)
	}
	if err := permit.Take(); err != nil {
		return err
	}
	a.path.Write(m)
	return nil
}

// trajectory is one point, to be reached some seconds after the stamp: a controller drops it when it comes later.
func trajectory(now time.Time, q []float64, seconds float64) *msgs.JointTrajectory {
	return &msgs.JointTrajectory{
		Header: msgs.Header{Stamp: now},
		Points: []msgs.JointTrajectoryPoint{{Positions: q, TimeFromStart: time.Duration(seconds * float64(time.Second))}},
	}
}

// jointHand is a gripper that takes trajectories, which nobody acknowledges.
type jointHand struct {
	file *GripperFile
	now  func() time.Time
	path publisher[msgs.JointTrajectory] // nil: no gripper
	grip
}

func (h *jointHand) still() {
	h.mu.Lock()
	h.wanted = h.sent
	h.mu.Unlock()
}

func (h *jointHand) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		h.mu.Lock()
		wanted := h.wanted
		h.mu.Unlock()
		_ = h.do(ctx, wanted)
	}
}

func (h *jointHand) do(_ context.Context, grip float64) error {
	sign := math.Copysign(1, grip)
	h.mu.Lock()
	same := math.Abs(grip) <= deadBand || sign == h.sent
	if !same {
		h.sent = sign
	}
	h.mu.Unlock()
	if same || h.path == nil {
		return nil
	}
	goal := h.file.Open
	if sign > 0 {
		goal = h.file.Closed
	}
	m := trajectory(h.now(), append([]float64(nil), goal...), h.file.Seconds)
	m.JointNames = h.file.Joints
	h.path.Write(m)
	return nil
}
