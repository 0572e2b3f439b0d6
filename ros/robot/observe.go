package robot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/residual/plausible"
	"korr/ros/msgs"
)

const (
	stateDim = layout.State // of the raw observation
	poseDim  = layout.Pose  // of one part
)

// set is one message of each kind.
type set struct {
	arm     *armState
	fingers *fingerState
	parts   *msgs.PoseArray
	places  []geom.Pose // of the parts in the policy's order, as far as the message is believed
	sim     *msgs.SimState
}

// whole reports whether an observation can be assembled.
func (s *set) whole() bool { return s.arm != nil && s.fingers != nil && s.parts != nil }

// aligned reports whether all messages, the simulator's state included, bear one stamp.
func (s *set) aligned() bool {
	t := s.arm.head.Stamp
	return s.sim != nil && s.fingers.stamp.Equal(t) && s.parts.Header.Stamp.Equal(t) && s.sim.Header.Stamp.Equal(t)
}

// stamp is that of the oldest message.
func (s *set) stamp() time.Time {
	t := s.arm.head.Stamp
	for _, u := range []time.Time{s.fingers.stamp, s.parts.Header.Stamp} {
		if u.Before(t) {
			t = u
		}
	}
	return t
}

// forget drops the messages stamped before t.
func (s *set) forget(t time.Time) {
	if s.arm != nil && s.arm.head.Stamp.Before(t) {
		s.arm = nil
	}
	if s.fingers != nil && s.fingers.stamp.Before(t) {
		s.fingers = nil
	}
	if s.parts != nil && s.parts.Header.Stamp.Before(t) {
		s.parts = nil
	}
	if s.sim != nil && s.sim.Header.Stamp.Before(t) {
		s.sim = nil
	}
}

// observer turns messages into raw observations.
type observer struct {
	parts  []string
	frame  string // that the tracker's poses must be in
	belief *plausible.Parts
	order  []int  // order[i] is where part i stands in the tracker's array
	list   string // the tracker's names, as last read; "" while it has not named any
	wrong  error  // the tracker's newest list lacks a part
}

func newObserver(cfg *Config) *observer {
	o := &observer{parts: cfg.Parts, frame: cfg.PartsFrame, belief: plausible.NewParts(len(cfg.Parts), partReach)}
	if cfg.LockStep { // a simulator that is reset: its parts may leap
		o.belief.Limits.MaxSpeed = 0
	}
	for i := range cfg.Parts {
		o.order = append(o.order, i)
	}
	return o
}

// named learns the tracker's order from its list of names. Another order than before is an error, once: poses of the
// old order may still be on their way.
func (o *observer) named(list string) error {
	got := strings.Split(list, ",")
	o.wrong = nil
	order := make([]int, len(o.parts))
	for i, p := range o.parts {
		if order[i] = slices.Index(got, p); order[i] < 0 {
			o.wrong = &PartsError{Want: o.parts, Got: got}
			return o.wrong
		}
	}
	before := o.list
	o.order, o.list = order, list
	if before != "" && before != list {
		return &OrderError{Before: before, Now: list}
	}
	return nil
}

// observeTo writes the raw observation [16 + 7 parts] of a whole set; see package sim for its layout.
func (o *observer) observeTo(obs []float32, s *set) error {
	if want := stateDim + poseDim*len(o.parts); len(obs) != want {
		return &ShapeError{Topic: "the loop's observation", Got: len(obs), Want: want}
	}
	if o.wrong != nil {
		return o.wrong
	}
	for k, v := range s.arm.first {
		obs[k] = float32(v)
	}
	for k, v := range s.arm.twist {
		obs[layout.Twist.From+k] = float32(v)
	}
	obs[layout.Width] = float32(s.fingers.width)
	for i, at := range s.places {
		geom.PoseTo(obs[stateDim+poseDim*i:], at)
	}
	return nil
}

// partReach is where parts can be: on the table, which the arm reaches, in the frame of the tag beside its base. What
// an arm pushes moves as fast as its tool; what falls from its gripper moves a little faster for a moment.
var partReach = plausible.PartLimits{Radius: 1.2, MaxSpeed: 1.5, MaxTurn: 6}

// see looks at the tracker's newest poses, which came at a time. An error stops the loop; parts that are lost do not
// make one.
func (o *observer) see(m *msgs.PoseArray, came time.Time) error {
	if frame := strings.TrimPrefix(m.Header.FrameId, "/"); frame != o.frame {
		err := fmt.Errorf("the parts come in frame %q, want %q (run.parts_frame)", frame, o.frame)
		return &BeliefError{msgs.PartsTopic, err}
	}
	want := len(o.parts)
	if o.list != "" {
		want = strings.Count(o.list, ",") + 1
	}
	if len(m.Poses) != want {
		return &ShapeError{Topic: msgs.PartsTopic, Got: poseDim * len(m.Poses), Want: poseDim * want}
	}
	if o.wrong != nil { // observeTo says so
		return nil
	}
	pose := func(i int) geom.Pose { return m.Poses[o.order[i]].Geom() }
	if i := o.belief.Swapped(pose); i >= 0 {
		return &SwapError{Part: o.parts[i]}
	}
	for i := range o.parts {
		o.belief.See(i, pose(i), m.Header.Stamp, came)
	}
	return nil
}

// places are where the parts were last believed to be, in the policy's order.
func (o *observer) places() []geom.Pose {
	at := make([]geom.Pose, len(o.parts))
	for i := range at {
		at[i] = o.belief.Pose(i)
	}
	return at
}

// lost says which part is lost, and why; "" if none is.
func (o *observer) lost() string {
	i, err := o.belief.Lost()
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("part %s is lost: %v", o.parts[i], err)
}
