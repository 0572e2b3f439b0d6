package view

import "sync"

// board holds what viewers are shown. The session writes, viewers read; neither waits for the other.
type board struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever something is written
	viewers int

	scene, state  []byte // JSON
	scenes, turns uint64 // versions of the two
	episode       uint64 // version of samples: a new one begins them anew
	samples       []byte // records
	frames        uint64 // number of the newest frame
	frame, full   []byte // newest frame without and with contacts
}

func newBoard() *board { return &board{changed: make(chan struct{})} }

// update runs f under the lock and wakes the viewers.
func (b *board) update(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

// join counts viewers in (+1) and out (-1) and returns how many there are.
func (b *board) join(n int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.viewers += n
	return b.viewers
}

// seen is how far a viewer has got.
type seen struct {
	scenes, turns, episode, frames uint64
	samples                        int // bytes
	contacts                       bool
}

// message is one websocket message.
type message struct {
	text bool
	data []byte
}

// news are the messages that bring a viewer up to date, and what to wait for when there are none. Slices of the board
// are only ever replaced or appended to, so they may be read without the lock.
func (b *board) news(s *seen) ([]message, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []message
	if s.scenes != b.scenes {
		s.scenes, s.frames = b.scenes, 0
		out = append(out, message{true, b.scene})
	}
	if s.turns != b.turns {
		s.turns = b.turns
		out = append(out, message{true, b.state})
	}
	if s.episode != b.episode || s.samples < len(b.samples) {
		anew := s.episode != b.episode
		if anew {
			s.episode, s.samples = b.episode, 0
		}
		out = append(out, message{false, appendSamples(nil, anew, b.samples[s.samples:])})
		s.samples = len(b.samples)
	}
	if s.frames != b.frames && b.frame != nil {
		s.frames = b.frames
		f := b.frame
		if s.contacts {
			f = b.full
		}
		out = append(out, message{false, f})
	}
	return out, b.changed
}
