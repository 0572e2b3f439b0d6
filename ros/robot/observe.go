package robot

import (
	"slices"
	"strings"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
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
	order []int  // order[i] is where part i stands in the tracker's array
	list  string // the tracker's names, as last read; "" while it has not named any
	wrong error  // the tracker's newest list lacks a part
}

func newObserver(parts []string) *observer {
	o := &observer{parts: parts}
	for i := range parts {
		o.order = append(o.order, i)
	}
	return o
}

// named learns the tracker's order from its list of names. Another order than before is an error, once: poses of the old
// order may still be on their way.
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

const (
	leap = 0.02  // m; a part that moved farther between two messages may be another part
	near = 0.005 // m; this near to where another part was it is taken for that one
)

// permuted reports parts that changed places: each of those that leapt is now where another of them was. Two parts that
// are moved by hand, or pushed, do not do that.
func permuted(before, now *msgs.PoseArray) error {
	if before == nil || len(before.Poses) != len(now.Poses) {
		return nil
	}
	var moved, taken []int
	for i := range now.Poses {
		if apart(&before.Poses[i], &now.Poses[i]) > leap {
			moved = append(moved, i)
		}
	}
	for _, i := range moved {
		j := slices.IndexFunc(moved, func(j int) bool {
			return j != i && !slices.Contains(taken, j) && apart(&before.Poses[j], &now.Poses[i]) < near
		})
		if j < 0 {
			return nil
		}
		taken = append(taken, moved[j])
	}
	if len(moved) < 2 {
		return nil
	}
	return &SwapError{Parts: moved}
}

// apart is the distance of two poses' positions, m.
func apart(a, b *msgs.Pose) float64 {
	return a.Geom().P.Sub(b.Geom().P).Norm()
}

// observeTo writes the raw observation [16 + 7 parts] of a whole set; see package sim for its layout.
func (o *observer) observeTo(obs []float32, s *set) error {
	if want := stateDim + poseDim*len(o.parts); len(obs) != want {
		return &ShapeError{Topic: "the loop's observation", Got: len(obs), Want: want}
	}
	if o.wrong != nil {
		return o.wrong
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
		obs[layout.Twist.From+k] = float32(v)
	}
	obs[layout.Width] = float32(s.fingers.width)
	for i, at := range o.order {
		geom.PoseTo(obs[stateDim+poseDim*i:], s.parts.Poses[at].Geom())
	}
	return nil
}
