package robot

import (
	"slices"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
	"korr/ros/panda"
)

const (
	stateDim = 16 // robot state of the raw observation
	poseDim  = 7  // of one part
)

// set is one message of each kind.
type set struct {
	franka  *msgs.FrankaState
	fingers *msgs.JointState
	parts   *msgs.PoseArray
	sim     *msgs.SimState
}

// whole reports whether an observation can be assembled.
func (s *set) whole() bool { return s.franka != nil && s.fingers != nil && s.parts != nil }

// aligned reports whether all messages, the simulator's state included, bear one stamp.
func (s *set) aligned() bool {
	t := s.franka.Header.Stamp
	return s.sim != nil && s.fingers.Header.Stamp.Equal(t) && s.parts.Header.Stamp.Equal(t) && s.sim.Header.Stamp.Equal(t)
}

// stamp is that of the oldest message.
func (s *set) stamp() time.Time {
	t := s.franka.Header.Stamp
	for _, u := range []time.Time{s.fingers.Header.Stamp, s.parts.Header.Stamp} {
		if u.Before(t) {
			t = u
		}
	}
	return t
}

// forget drops the messages stamped before t.
func (s *set) forget(t time.Time) {
	if s.franka != nil && s.franka.Header.Stamp.Before(t) {
		s.franka = nil
	}
	if s.fingers != nil && s.fingers.Header.Stamp.Before(t) {
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
	parts    []string
	order    []int // order[i] is where part i stands in the tracker's array
	reported bool  // the twist comes from the message
}

func newObserver(parts []string, reported bool) *observer {
	o := &observer{parts: parts, reported: reported}
	for i := range parts {
		o.order = append(o.order, i)
	}
	return o
}

// named learns the tracker's order from its list of names.
func (o *observer) named(list string) error {
	got := strings.Split(list, ",")
	order := make([]int, len(o.parts))
	for i, p := range o.parts {
		if order[i] = slices.Index(got, p); order[i] < 0 {
			return &PartsError{Want: o.parts, Got: got}
		}
	}
	o.order = order
	return nil
}

// observeTo writes the raw observation [16 + 7 parts] of a whole set; see package sim for its layout.
func (o *observer) observeTo(obs []float32, s *set) error {
	if want := stateDim + poseDim*len(o.parts); len(obs) != want {
		return &ShapeError{Topic: "the loop's observation", Got: len(obs), Want: want}
	}
	if n := len(s.fingers.Position); n < 2 {
		return &ShapeError{Topic: msgs.FingerTopic, Got: n, Want: 2}
	}
	if last := slices.Max(o.order); len(s.parts.Poses) <= last {
		return &ShapeError{Topic: msgs.PartsTopic, Got: poseDim * len(s.parts.Poses), Want: poseDim * (last + 1)}
	}
	m := &s.franka.OTEE // column-major
	for k := range 3 {
		obs[k] = float32(m[12+k])
		obs[3+k] = float32(m[4*k])   // first row
		obs[6+k] = float32(m[4*k+1]) // second row
	}
	twist := s.franka.ODPEED
	if !o.reported {
		twist = panda.Twist(&s.franka.Q, &s.franka.Dq)
	}
	for k, v := range twist {
		obs[9+k] = float32(v)
	}
	obs[15] = float32(s.fingers.Position[0] + s.fingers.Position[1])
	for i, at := range o.order {
		geom.PoseTo(obs[stateDim+poseDim*i:], s.parts.Poses[at].Geom())
	}
	return nil
}

// measured is the pose of the end effector.
func measured(f *msgs.FrankaState) geom.Pose {
	m := &f.OTEE
	return geom.Pose{
		P: geom.Vec3{m[12], m[13], m[14]},
		Q: geom.Mat3{m[0], m[4], m[8], m[1], m[5], m[9], m[2], m[6], m[10]}.Quat(),
	}
}
