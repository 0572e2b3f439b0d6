package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/internal/recording"
	"korr/ros/bag"
	"korr/ros/msgs"
	"korr/ros/simarm"
	"korr/sim"
)

const (
	// NoteTopic holds where a recording comes from, recording.Note as JSON.
	NoteTopic = "/korr/recording"
	// SimStateTopic is the simulator's ~state.
	SimStateTopic = "/" + msgs.SimNode + "/state"

	graspTopic = msgs.GripperAction + "grasp/goal"
	moveTopic  = msgs.GripperAction + "move/goal"

	commandFrame = "panda_link0"
	openWidth    = 0.08 // m, as the control node asks
	fingerSpeed  = 0.1  // m/s
	graspForce   = 40   // N
)

// Sim records simulated episodes. It belongs to one goroutine.
type Sim struct {
	bag    Store
	names  []string // of the parts
	period time.Duration

	clock   *Topic[msgs.Clock]
	franka  *Topic[msgs.FrankaState]
	fingers *Topic[msgs.JointState]
	joints  *Topic[msgs.JointState]
	parts   *Topic[msgs.PoseArray]
	state   *Topic[msgs.SimState]
	command *Topic[msgs.PoseStamped]
	grasp   *Topic[msgs.GraspActionGoal]
	move    *Topic[msgs.MoveActionGoal]
	tf      *Topic[msgs.TFMessage] // nil in a bag, where rviz has the simulator's own

	stamp   time.Time // of the newest observation
	seq     uint32
	goals   int
	sign    float64 // of the last gripper goal of the episode
	episode msgs.SimState
}

// NewSim starts a recording of an environment's episodes at path, which must not exist.
func NewSim(path string, spec sim.Spec, note recording.Note, opts bag.WriterOptions) (*Sim, error) {
	w, err := bag.Create(path, opts)
	if err != nil {
		return nil, err
	}
	return NewSimIn(w, spec, note)
}

// NewSimIn starts a recording in a store, which is removed when it cannot. One that is no bag holds the transforms too,
// for viewers.
func NewSimIn(w Store, spec sim.Spec, note recording.Note) (*Sim, error) {
	if !(spec.ControlHz > 0) {
		return nil, errors.Join(fmt.Errorf("record: the environment's control rate is %g Hz", spec.ControlHz), w.Abort())
	}
	s := &Sim{
		bag: w, names: spec.PartNames, period: time.Duration(float64(time.Second) / spec.ControlHz),
		stamp: time.Unix(0, 0),
	}
	if err := s.begin(spec, note); err != nil {
		return nil, errors.Join(err, w.Abort())
	}
	return s, nil
}

// begin makes the topics and writes the latched ones.
func (s *Sim) begin(spec sim.Spec, note recording.Note) error {
	var errs [12]error
	var names, origin *Topic[msgs.String]
	names, errs[0] = NewTopic[msgs.String](s.bag, msgs.PartNamesTopic, true)
	origin, errs[1] = NewTopic[msgs.String](s.bag, NoteTopic, true)
	s.clock, errs[2] = NewTopic[msgs.Clock](s.bag, msgs.ClockTopic, false)
	s.fingers, errs[3] = NewTopic[msgs.JointState](s.bag, msgs.FingerTopic, false)
	s.joints, errs[4] = NewTopic[msgs.JointState](s.bag, msgs.JointTopic, false)
	s.parts, errs[5] = NewTopic[msgs.PoseArray](s.bag, msgs.PartsTopic, false)
	s.state, errs[6] = NewTopic[msgs.SimState](s.bag, SimStateTopic, true)
	s.franka, errs[7] = NewTopic[msgs.FrankaState](s.bag, msgs.StateTopic, false)
	s.command, errs[8] = NewTopic[msgs.PoseStamped](s.bag, msgs.CommandTopic, false)
	s.grasp, errs[9] = NewTopic[msgs.GraspActionGoal](s.bag, graspTopic, false)
	s.move, errs[10] = NewTopic[msgs.MoveActionGoal](s.bag, moveTopic, false)
	if _, plain := s.bag.(*bag.Writer); !plain {
		s.tf, errs[11] = NewTopic[msgs.TFMessage](s.bag, msgs.TFTopic, false)
	}
	text, err := json.Marshal(note)
	if err := errors.Join(append(errs[:], err)...); err != nil {
		return err
	}
	at := s.stamp.Add(s.period) // of the first observation
	return errors.Join(
		names.Write(at, &msgs.String{Data: strings.Join(spec.PartNames, ",")}),
		origin.Write(at, &msgs.String{Data: string(text)}),
	)
}

// Reset records the first observation of the episode of a seed; arm is as simarm.State writes it.
func (s *Sim) Reset(seed uint64, arm []float64) error {
	s.episode = msgs.SimState{Seed: seed, Episode: s.episode.Episode + 1}
	s.sign = 0
	return s.observe(arm, geom.Pose{P: geom.Vec3(arm[simarm.Position:]), Q: geom.Mat3(arm[simarm.Rotation:]).Quat()})
}

// Step records the action (raw) that answered the newest observation, then its result and the observation after it.
func (s *Sim) Step(act []float32, arm []float64, res sim.Result) error {
	target := layout.ToolAt(act)
	if err := errors.Join(s.grip(float64(act[9])), s.command.Write(s.stamp,
		&msgs.PoseStamped{Header: s.header(commandFrame), Pose: msgs.PoseOf(target)})); err != nil {
		return err
	}
	e := &s.episode
	e.Step++
	e.Reward = res.Reward
	e.EpisodeReturn += res.Reward
	e.Terminated, e.Truncated, e.Success = res.Terminated, res.Truncated, res.Success
	return s.observe(arm, target)
}

// Fail records that the simulator or the policy failed, which ended the episode.
func (s *Sim) Fail(why error) error {
	s.episode.Error = why.Error()
	s.episode.Header = s.header("")
	return s.state.Write(s.stamp, &s.episode)
}

// header is that of a message about the newest observation.
func (s *Sim) header(frame string) msgs.Header {
	return msgs.Header{Seq: s.seq, Stamp: s.stamp, FrameId: frame}
}

// grip records a gripper goal when the command changes.
func (s *Sim) grip(a float64) error {
	sign := math.Copysign(1, a)
	if math.Abs(a) <= sim.GripperDeadBand || sign == s.sign {
		return nil
	}
	s.sign = sign
	s.goals++
	id := msgs.GoalID{Stamp: s.stamp, Id: fmt.Sprintf("/korr-%d", s.goals)}
	if sign > 0 {
		m := &msgs.GraspActionGoal{Header: s.header(""), GoalId: id}
		m.Goal.Speed, m.Goal.Force, m.Goal.Epsilon.Outer = fingerSpeed, graspForce, openWidth
		return s.grasp.Write(s.stamp, m)
	}
	return s.move.Write(s.stamp, &msgs.MoveActionGoal{
		Header: s.header(""), GoalId: id,
		Goal: msgs.MoveGoal{Width: openWidth, Speed: fingerSpeed},
	})
}

// observe records an observation, one period after the one before.
func (s *Sim) observe(arm []float64, target geom.Pose) error {
	s.seq++
	s.stamp = s.stamp.Add(s.period)
	f := simarm.Frame{Seq: s.seq, Stamp: s.stamp, Arm: arm, Target: target}
	s.episode.Header = s.header("")
	if s.tf != nil {
		m := f.Transforms(s.names)
		m.Transforms = append(m.Transforms, msgs.TransformStamped{
			Header: s.header(msgs.BaseFrame), ChildFrameId: msgs.TagFrame, Transform: msgs.TransformOf(geom.TagFrame),
		})
		if err := s.tf.Write(s.stamp, m); err != nil {
			return err
		}
	}
	return errors.Join(
		s.clock.Write(s.stamp, &msgs.Clock{Clock: s.stamp}),
		s.fingers.Write(s.stamp, f.Fingers()),
		s.joints.Write(s.stamp, f.Joints()),
		s.parts.Write(s.stamp, f.Parts()),
		s.state.Write(s.stamp, &s.episode),
		s.franka.Write(s.stamp, f.Franka()),
	)
}

// Close completes the bag.
func (s *Sim) Close() error { return s.bag.Close() }

// Abort removes what was written so far.
func (s *Sim) Abort() error { return s.bag.Abort() }
