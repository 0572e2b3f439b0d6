package replay

import (
	"fmt"
	"math"
)

// End says whether and how a step ended its episode.
type End uint8

const (
	// Running goes on.
	Running End = iota
	// Terminated is a terminal state: no value beyond it.
	Terminated
	// Truncated was cut by a time limit: the value of its last state counts.
	Truncated
)

// Pending is a frame whose return is not complete.
type Pending struct {
	Frame  int     `json:"frame"`  // its index in the buffer
	Return float64 `json:"return"` // discounted, of the steps so far
	Steps  int     `json:"steps"`  // control steps so far, below n
}

// NStep assembles the n-step returns of one environment's episodes.
type NStep struct {
	n       int
	gamma   float64
	buffer  *Buffer
	pending []Pending // oldest first
}

// NewNStep returns an assembler of n-step returns (n >= 1) discounted by gamma
// that writes to buffer. A buffer shared by k environments needs a capacity
// well above k*(n+1) frames.
func NewNStep(buffer *Buffer, n int, gamma float64) *NStep {
	if n < 1 || gamma <= 0 || gamma > 1 {
		panic(fmt.Sprintf("replay: %d-step returns with gamma %v", n, gamma))
	}
	return &NStep{n: n, gamma: gamma, buffer: buffer, pending: make([]Pending, 0, n)}
}

// Push records that frame was left with reward for frame next. At the end of
// an episode next is the frame of its last observation, and every pending
// frame turns into a transition. A terminal state that was not observed may be
// None.
func (s *NStep) Push(frame int, reward float64, next int, end End) {
	s.pending = append(s.pending, Pending{Frame: frame})
	for i := range s.pending {
		p := &s.pending[i]
		p.Return += s.power(p.Steps) * reward
		p.Steps++
	}
	s.buffer.next[frame] = int32(next)
	if next == None {
		if end != Terminated {
			panic("replay: only a terminal state may be missing")
		}
		next = frame // to have a valid link; its discount is 0
	}
	done := 0
	switch {
	case end != Running:
		done = len(s.pending)
	case s.pending[0].Steps == s.n:
		done = 1
	}
	for _, p := range s.pending[:done] {
		discount := s.power(p.Steps)
		if end == Terminated {
			discount = 0
		}
		s.buffer.link(p.Frame, float32(p.Return), float32(discount), next)
	}
	s.pending = append(s.pending[:0], s.pending[done:]...)
}

// Drop forgets the pending frames: the episode ended with an error, and what
// followed them is unknown.
func (s *NStep) Drop() { s.pending = s.pending[:0] }

// Pending returns a copy of the incomplete frames, for a checkpoint.
func (s *NStep) Pending() []Pending { return append([]Pending(nil), s.pending...) }

// SetPending restores what Pending returned.
func (s *NStep) SetPending(p []Pending) error {
	if len(p) >= s.n && s.n > 1 || s.n == 1 && len(p) > 0 {
		return fmt.Errorf("replay: %d incomplete frames of %d-step returns", len(p), s.n)
	}
	for _, q := range p {
		if q.Frame < 0 || q.Frame >= s.buffer.size || q.Steps < 1 || q.Steps >= s.n {
			return fmt.Errorf("replay: incomplete frame %+v of %d frames", q, s.buffer.size)
		}
	}
	s.pending = append(s.pending[:0], p...)
	return nil
}

func (s *NStep) power(k int) float64 { return math.Pow(s.gamma, float64(k)) }
