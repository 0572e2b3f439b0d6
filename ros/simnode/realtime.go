package simnode

import (
	"time"

	"korr/ros/msgs"
	"korr/sim"
)

// maxBehind is how far the simulation may lag behind the wall clock before it gives that time up.
const maxBehind = 200 * time.Millisecond

// realTime keeps the simulation on the wall clock: the state of slice k is that of the time origin + k slices, and
// bears that stamp. A tick that comes late takes the slices that are due, so that simulated and real time stay the
// same.
type realTime struct {
	slicer Slicer        // nil: whole control steps
	n      int           // slices per control step
	i      int           // slices taken of the current one
	slice  time.Duration // duration of one
	every  int           // slices per message
	count  int           // slices since the last message

	origin time.Time // monotonic
	done   int       // slices since origin
	warned time.Time
}

// newRealTime cuts control steps into slices of 1/SliceHz where the environment can.
func newRealTime(env sim.Env, controlHz, hz float64) realTime {
	r := realTime{n: 1, every: 1}
	if s, ok := env.(Slicer); ok && s.Slices() > 0 {
		if n := int(SliceHz / controlHz); float64(n)*controlHz == SliceHz && s.Slices()%n == 0 {
			r.slicer, r.n, r.every = s, n, int(SliceHz/hz)
		}
	}
	r.slice = time.Duration(float64(time.Second) / controlHz / float64(r.n))
	return r
}

// restart begins the slices anew at the present time.
func (s *Server) restart() {
	s.real.i, s.real.count = 0, 0
	s.anchor()
}

// anchor makes the state the present one.
func (s *Server) anchor() {
	s.real.origin, s.real.done = time.Now(), 0
	s.at = s.real.origin
	s.mark(0)
}

// keepUp takes the slices that are due.
func (s *Server) keepUp() {
	r := &s.real
	due := int(time.Since(r.origin) / r.slice)
	if limit := int(maxBehind/r.slice) + 1; due-r.done > limit {
		lost := time.Duration(due-r.done-1) * r.slice
		r.origin = r.origin.Add(lost) // the clock of stamps goes on with the wall's; the physics have missed it
		s.at = s.at.Add(lost)
		due = r.done + 1
		if time.Since(r.warned) > time.Second {
			s.log.Warn("the simulation is slower than the wall clock: time was skipped", "skipped", lost)
			r.warned = time.Now()
		}
	}
	for r.done < due {
		r.done++
		s.beat()
	}
	s.out.flush(time.Now())
}

// beat is one slice of real time: it takes the newest command, moves the physics, and publishes.
func (s *Server) beat() {
	r := &s.real
	select {
	case m := <-s.commands:
		s.aim(m)
	default:
	}
	if s.paused || s.episode.Over() {
		s.mark(r.slice) // nothing moves: the state is what it is now
	} else {
		s.move()
	}
	s.out.clock.emit(&msgs.Clock{Clock: s.stamp}, &s.faults)
	if c := s.senses.camera; c != nil {
		c.see(s.senses.told, s.arm, s.at, func(stamp time.Time) { s.publishParts(stamp.Add(s.faults.jump())) })
	}
	if r.count++; r.count >= r.every {
		r.count = 0
		s.publishArm()
	}
}

// move takes one slice, or one control step where there are no slices. It reports whether a control step ended.
func (s *Server) move() (ended bool) {
	r := &s.real
	if r.slicer == nil {
		s.step()
		return true
	}
	s.push()
	res, err := r.slicer.StepSlice(s.obs, s.target.P, s.target.Q, s.hand.command(), r.i, r.n)
	s.mark(r.slice)
	if r.i++; r.i == r.n || err != nil {
		r.i = 0
		s.stepped(res, err)
		return true
	}
	s.observe()
	s.senses.follow(s.arm)
	return false
}
