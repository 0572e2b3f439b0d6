package robot

import (
	"slices"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/ros/msgs"
)

const (
	stateDim = 16 // robot state of the raw observation
	poseDim  = 7  // of one part
)

// set is one message of each kind.
type set struct {
	arm     *armState
	fingers *fingerState
	parts   *msgs.PoseArray
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
	parts []string
	order []int // order[i] is where part i stands in the tracker's array
}

func newObserver(parts []string) *observer {
	o := &observer{parts: parts}
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
	if s.fingers.err != nil {
		return s.fingers.err
	}
	if last := slices.Max(o.order); len(s.parts.Poses) <= last {
		return &ShapeError{Topic: msgs.PartsTopic, Got: poseDim * len(s.parts.Poses), Want: poseDim * (last + 1)}
	}
	for k, v := range s.arm.first {
		obs[k] = float32(v)
	}
	for k, v := range s.arm.twist {
		obs[9+k] = float32(v)
	}
	obs[15] = float32(s.fingers.width)
	for i, at := range o.order {
		geom.PoseTo(obs[stateDim+poseDim*i:], s.parts.Poses[at].Geom())
	}
	return nil
}
