package robot

import (
	"context"
	"time"

	"korr/internal/geom"
	"korr/residual/loop"
	"korr/residual/plausible"
	"korr/ros/msgs"
	"korr/ros/panda"
	"korr/ros/transport"
)

// arm is one kind of machine: the messages that tell its state and take its commands.
type arm interface {
	// watch subscribes to the arm's and the gripper's state and stores what comes with Robot.storeArm and
	// Robot.storeFingers.
	watch(l link, r *Robot) error
	// connect makes the publishers of commands; a passive robot does without.
	connect(l link, cfg *Config, hold func(reason string)) (gripper, error)
	// accept looks whether a state can be true, and keeps it to judge the next one by. came is when it arrived.
	accept(s *armState, came time.Time) error
	// forget makes the next state the first one: the arm may be anywhere.
	forget()
	// move publishes a pose to go to, unless its permit has lapsed by then (loop.ErrLapsed). The header's stamp is that of
	// the observation it answers, its frame is set.
	move(h msgs.Header, target geom.Pose, permit loop.Permit) error
	// stay publishes that the arm is to stay where a state says it is.
	stay(h msgs.Header, at *armState) error
}

// gripper commands a gripper on a change.
type gripper interface {
	// want notes a command (see command.grip) and returns at once.
	want(grip float64)
	// do acts on a command and waits until that is acknowledged, if the machine acknowledges.
	do(ctx context.Context, grip float64) error
	// forget makes the next command count as a change.
	forget()
	// still drops what is wanted and not yet acknowledged: the robot holds.
	still()
	// run acts on what is wanted until ctx ends.
	run(ctx context.Context)
}

// armState is one message about the arm.
type armState struct {
	head  msgs.Header
	first [9]float64 // position (m) and the first two rows of the rotation, base frame
	twist [6]float64 // linear (m/s) and angular (rad/s), base frame
	pose  geom.Pose
	turn  geom.Mat3 // the whole rotation as it was told; of a Franka
	q     []float64 // joints, rad or m; empty if the arm does not tell
	dq    []float64 // their velocities; nil if the arm does not tell
	came  time.Time // when it arrived
	wrong error     // the message does not hold what its topic promises
}

// fingerState is one message about the gripper.
type fingerState struct {
	topic string
	stamp time.Time
	width float64 // m
	err   error   // of a message that does not hold what its topic promises
}

// frankaArm is a Franka arm as franka_ros shows it, commanded through an equilibrium pose.
type frankaArm struct {
	reported bool // the twist comes from the message
	topic    string
	belief   plausible.Tool
	pose     publisher[msgs.PoseStamped]
}

func (a *frankaArm) watch(l link, r *Robot) error {
	a.topic = transport.StateTopic(l)
	if err := transport.SubscribeFranka(l, func(m *msgs.FrankaState, wrong error) {
		r.guard.mode(m)
		s := a.state(m)
		if wrong != nil {
			s.wrong = wrong
		}
		r.storeArm(s)
	}); err != nil {
		return err
	}
	return transport.Subscribe(l, msgs.FingerTopic, transport.State, func(m *msgs.JointState) {
		f := &fingerState{topic: msgs.FingerTopic, stamp: m.Header.Stamp}
		if n := len(m.Position); n < 2 {
			f.err = &ShapeError{Topic: msgs.FingerTopic, Got: n, Want: 2}
		} else {
			f.width = m.Position[0] + m.Position[1]
		}
		r.storeFingers(f)
	})
}

// state reads a message; its matrix is column-major.
func (a *frankaArm) state(f *msgs.FrankaState) *armState {
	m := &f.OTEE
	s := &armState{
		wrong: lastRow(m),
		head:  f.Header,
		first: [9]float64{m[12], m[13], m[14], m[0], m[4], m[8], m[1], m[5], m[9]},
		twist: f.ODPEED,
		pose: geom.Pose{P: geom.Vec3{m[12], m[13], m[14]}, Q: geom.Mat3{
			m[0], m[4], m[8], m[1], m[5], m[9], m[2], m[6],
			m[10],
		}.Quat()},
		turn: geom.Mat3{m[0], m[4], m[8], m[1], m[5], m[9], m[2], m[6], m[10]},
		q:    f.Q[:],
	}
	if !a.reported {
		s.twist = panda.Twist(&f.Q, &f.Dq)
	}
	return s
}

func (a *frankaArm) connect(l link, cfg *Config, hold func(string)) (gripper, error) {
	h, err := newHand(l, cfg, hold)
	if err != nil {
		return nil, err
	}
	a.pose, err = transport.Advertise[msgs.PoseStamped](l, msgs.CommandTopic, transport.Command)
	return h, err
}

func (a *frankaArm) move(h msgs.Header, target geom.Pose, permit loop.Permit) error {
	if err := permit.Take(); err != nil {
		return err
	}
	a.pose.Write(&msgs.PoseStamped{Header: h, Pose: msgs.PoseOf(target)})
	return nil
}

func (a *frankaArm) stay(h msgs.Header, at *armState) error { return a.move(h, at.pose, loop.Permit{}) }
