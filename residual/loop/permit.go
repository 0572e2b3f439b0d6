package loop

import (
	"errors"
	"sync/atomic"
	"time"
)

// Permit is what a command needs to go out. It was granted when the command's tick began. It lapses when the
// observation turns too old, when anything since then forbids to move (an emergency stop, a hold, a block,
// Enable(false)), and when the next tick finds that nobody took it: the command is withdrawn then. Once such a call has
// returned, no write that begins later finds the permit valid. The zero Permit never lapses.
type Permit struct {
	loop       *Loop
	command    uint64 // its number
	generation uint64
	expires    time.Time // zero: never
}

// ErrLapsed means that a command must not go out any more.
var ErrLapsed = errors.New("loop: the command's permit has lapsed")

// Err is nil, or ErrLapsed. Any goroutine may ask.
func (p Permit) Err() error {
	switch {
	case p.loop == nil:
		return nil
	case p.loop.inputs.generation.Load() != p.generation:
		return ErrLapsed
	case !p.expires.IsZero() && !p.loop.cfg.Clock.Now().Before(p.expires):
		return ErrLapsed
	case !p.loop.fate.may(p.command):
		return ErrLapsed
	}
	return nil
}

// Take is Err, and notes that the command goes out: a robot calls it right before it sends, from any goroutine. A
// command that is sent again is taken again. The limits of the next command are counted from the last one that was
// taken.
func (p Permit) Take() error {
	if err := p.Err(); err != nil || p.loop == nil {
		return err
	}
	if !p.loop.fate.take(p.command) {
		return ErrLapsed
	}
	return nil
}

// fate is what became of the newest command: its number and, in the two lowest bits, whether it waits, went out or was
// withdrawn. The robot that sends it and the loop that withdraws it may do so at once; one of the two wins.
type fate struct{ v atomic.Uint64 }

const (
	waiting = iota // no bit: a bare number waits
	taken
	withdrawn
)

// begin is a new command, numbered.
func (f *fate) begin() (number uint64) {
	number = f.v.Load()>>2 + 1
	f.v.Store(number << 2)
	return number
}

// may reports whether a command waits, or went out, and is the newest.
func (f *fate) may(number uint64) bool { return f.v.Load()|taken == number<<2|taken }

func (f *fate) take(number uint64) bool {
	return f.v.CompareAndSwap(number<<2, number<<2|taken) || f.v.Load() == number<<2|taken
}

// withdraw reports whether the newest command has not gone out, and keeps it from doing so.
func (f *fate) withdraw() bool {
	v := f.v.Load()
	return v&3 == waiting && f.v.CompareAndSwap(v, v|withdrawn)
}

// settle withdraws the last command if it has not gone out by now, on a machine that is too slow for it or because its
// permit lapsed: what follows must be near to what the robot was really told.
func (l *Loop) settle() {
	if l.handed && l.fate.withdraw() {
		l.shield.Unsent()
		l.recorder.unsent()
		l.outputs.withdrawn.Add(1)
	}
	l.handed = false
}
