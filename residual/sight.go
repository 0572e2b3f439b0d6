package residual

import (
	"fmt"
	"math"

	"korr/koopman/filter"
)

// Sight says what an actor reads of its senses beside the present estimate. The zero value is nothing.
type Sight struct {
	// Belief is how old, how sure and how far off its predictions the estimate of every part is that a task assembles (see
	// beliefTo). It needs a filter.
	Belief bool `json:"belief,omitempty"`
	// History is how many earlier control steps are read: the features and details of each, and what was executed then.
	History int `json:"history,omitempty"`
	// Truth lets the critics read features and details of what is so, which a simulator knows in training: an asymmetric
	// actor-critic (Pinto et al. 2017, arXiv 1710.06542). No actor reads it.
	Truth bool `json:"truth,omitempty"`
}

// MaxHistory bounds the control steps of a Sight.
const MaxHistory = 32

// acting is what is left of the sight when a policy acts.
func (s Sight) acting() Sight {
	s.Truth = false
	return s
}

// validate refuses what cannot be read; the error wraps ErrPolicy.
func (s Sight) validate(features, filtered bool) error {
	switch {
	case s.History < 0 || s.History > MaxHistory:
		return fmt.Errorf("%w: a history of %d control steps, want 0 to %d", ErrPolicy, s.History, MaxHistory)
	case (s.History > 0 || s.Truth) && !features:
		return fmt.Errorf("%w: history and truth are features of the task, and there are none", ErrPolicy)
	case s.Belief && !filtered:
		return fmt.Errorf("%w: an actor that reads its filter's belief needs a filter: set residual.filter", ErrPolicy)
	}
	return nil
}

// beliefWidth is what beliefTo writes of a part.
const beliefWidth = 7

// Units and limits of what beliefTo writes.
const (
	beliefPosition = 1e-3 // m
	beliefRotation = 1e-2 // rad
	beliefDrift    = 2e-3 // m
	beliefAge      = 4    // control steps
	beliefLimit    = 3
)

// beliefTo writes, of each of the parts, the logarithms of the deviations of position and rotation, the age, how many
// poses the gate kept out, and the drift, all of order one and clipped to dst [7 x parts]. What was never seen is as
// unsure as can be.
func beliefTo(dst []float32, known []filter.Estimate, parts []int) {
	bounded := func(v float64) float32 { return float32(min(max(v, -beliefLimit), beliefLimit)) }
	for k, i := range parts {
		d := dst[k*beliefWidth : (k+1)*beliefWidth]
		clear(d)
		if i >= len(known) || !known[i].Known {
			d[0], d[1], d[2] = beliefLimit, beliefLimit, beliefLimit
			continue
		}
		x := &known[i]
		d[0], d[1] = bounded(math.Log(x.Position/beliefPosition)), bounded(math.Log(x.Rotation/beliefRotation))
		d[2], d[3] = bounded(x.Age/beliefAge), bounded(float64(x.Gated))
		for j, v := range x.Drift {
			d[4+j] = bounded(v / beliefDrift)
		}
	}
}

// history keeps the rows of earlier control steps, the newest first: features, details, executed action.
type history struct {
	rows  []float32 // [steps, width]
	width int
	next  []float32 // [width] of the present step, once its command is known
	ready bool      // next is filled
	begun bool
}

func newHistory(steps, width int) *history {
	return &history{rows: make([]float32, steps*width), width: width, next: make([]float32, width)}
}

func (h *history) reset() { h.ready, h.begun = false, false }

// turn begins a control step: what is next becomes the newest row. An episode begins with rows like its first
// observation, and with nothing executed.
func (h *history) turn(first []float32) {
	switch {
	case !h.begun:
		h.begun = true
		clear(h.rows)
		for at := 0; at < len(h.rows); at += h.width {
			copy(h.rows[at:], first)
		}
	case h.ready:
		copy(h.rows[h.width:], h.rows)
		copy(h.rows, h.next)
	}
	h.ready = false
}
