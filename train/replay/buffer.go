package replay

import (
	"fmt"
	"math/rand/v2"

	"korr/internal/tensorfile"
)

// MaxCapacity bounds a Buffer: frame numbers are kept in float32 tensors by
// SaveTo, exact up to here.
const MaxCapacity = 1 << 24

// None is the frame number of an unknown successor.
const None = -1

// Buffer is a ring of frames and the transitions between them. It is not safe
// for concurrent use; readers may share it while nobody writes.
type Buffer struct {
	xDim, actDim int

	x        []float32 // [capacity, xDim]
	act      []float32 // [capacity, actDim]
	ret      []float32 // n-step return
	discount []float32 // of the bootstrap value
	next     []int32   // the frame one step later, or None
	boot     []int32   // the frame to bootstrap from
	ready    []bool    // ret, discount and boot are known

	head, size, transitions int
}

// New returns an empty Buffer of the capacity in frames, for inputs of xDim
// and actions of actDim values. The memory is touched only as it fills.
func New(capacity, xDim, actDim int) *Buffer {
	if capacity < 1 || capacity > MaxCapacity || xDim < 1 || actDim < 1 {
		panic(fmt.Sprintf("replay: capacity %d of 1 to %d, input %d, action %d", capacity, MaxCapacity, xDim, actDim))
	}
	return &Buffer{
		xDim: xDim, actDim: actDim,
		x: make([]float32, capacity*xDim), act: make([]float32, capacity*actDim),
		ret: make([]float32, capacity), discount: make([]float32, capacity),
		next: make([]int32, capacity), boot: make([]int32, capacity), ready: make([]bool, capacity),
	}
}

// Capacity is the number of frames the ring holds.
func (b *Buffer) Capacity() int { return len(b.ret) }

// Frames is the number of frames held.
func (b *Buffer) Frames() int { return b.size }

// Transitions is the number of frames that can be sampled.
func (b *Buffer) Transitions() int { return b.transitions }

// AddFrame stores the network input x of a step and returns the frame's
// number. It overwrites the oldest frame when the ring is full.
func (b *Buffer) AddFrame(x []float32) int {
	if len(x) != b.xDim {
		panic(fmt.Sprintf("replay: input of %d values, want %d", len(x), b.xDim))
	}
	i := b.head
	b.head = (b.head + 1) % len(b.ret)
	b.size = min(b.size+1, len(b.ret))
	if b.ready[i] {
		b.ready[i] = false
		b.transitions--
	}
	b.next[i] = None
	copy(b.X(i), x)
	return i
}

// SetAction stores the executed normalised action of frame i.
func (b *Buffer) SetAction(i int, act []float32) { copy(b.Action(i), act) }

// link makes frame i a transition.
func (b *Buffer) link(i int, ret, discount float32, boot int) {
	b.ret[i], b.discount[i], b.boot[i] = ret, discount, int32(boot)
	if !b.ready[i] {
		b.ready[i] = true
		b.transitions++
	}
}

// X is the network input of frame i, [xDim]; the buffer owns it.
func (b *Buffer) X(i int) []float32 { return b.x[i*b.xDim : (i+1)*b.xDim] }

// Action is the executed normalised action of frame i, [actDim]; the buffer
// owns it.
func (b *Buffer) Action(i int) []float32 { return b.act[i*b.actDim : (i+1)*b.actDim] }

// Return is the n-step return of transition i, without the bootstrap value.
func (b *Buffer) Return(i int) float32 { return b.ret[i] }

// Discount multiplies the bootstrap value of transition i; 0 after a terminal
// state.
func (b *Buffer) Discount(i int) float32 { return b.discount[i] }

// Boot is the frame whose value transition i bootstraps from.
func (b *Buffer) Boot(i int) int { return int(b.boot[i]) }

// Next is the frame one step after i in the same episode, or None.
func (b *Buffer) Next(i int) int { return int(b.next[i]) }

// Sample fills idx with transitions drawn uniformly and with replacement. It
// panics when the buffer has no transition.
func (b *Buffer) Sample(rng *rand.Rand, idx []int) {
	if b.transitions == 0 {
		panic("replay: sampling from a buffer without transitions")
	}
	for k := range idx {
		i := rng.IntN(b.size)
		for !b.ready[i] { // ends of episodes and the youngest n steps: few
			i = rng.IntN(b.size)
		}
		idx[k] = i
	}
}

// SaveTo adds the frames held to f, as tensors that start with prefix. The
// tensors share memory with the buffer.
func (b *Buffer) SaveTo(f *tensorfile.File, prefix string) {
	n := b.size
	f.Add(prefix+"x", b.x[:n*b.xDim], n, b.xDim)
	f.Add(prefix+"action", b.act[:n*b.actDim], n, b.actDim)
	f.Add(prefix+"return", b.ret[:n])
	f.Add(prefix+"discount", b.discount[:n])
	link := make([]float32, 3*n) // next, boot, ready
	for i := range n {
		link[3*i], link[3*i+1] = float32(b.next[i]), float32(b.boot[i])
		if b.ready[i] {
			link[3*i+2] = 1
		}
	}
	f.Add(prefix+"link", link, n, 3)
	f.Add(prefix+"head", []float32{float32(b.head)})
}

// LoadFrom replaces the content by what SaveTo wrote. The capacity must be the
// same if the ring was full, and large enough otherwise.
func (b *Buffer) LoadFrom(f *tensorfile.File, prefix string) error {
	x, err := f.Get(prefix+"x", -1, b.xDim)
	if err != nil {
		return err
	}
	n := len(x) / b.xDim
	tensors := map[string][]float32{"head": nil, "link": nil, "action": nil, "return": nil, "discount": nil}
	for name, shape := range map[string][]int{
		"head": {1}, "link": {n, 3}, "action": {n, b.actDim}, "return": {n},
		"discount": {n},
	} {
		if tensors[name], err = f.Get(prefix+name, shape...); err != nil {
			return err
		}
	}
	head := int(tensors["head"][0])
	if n > b.Capacity() || head != n%b.Capacity() && n != b.Capacity() || head < 0 || head >= b.Capacity() {
		return fmt.Errorf("replay: %d frames with the head at %d do not fit a buffer of %d: keep the buffer size when "+
			"resuming", n, head, b.Capacity())
	}
	link := tensors["link"]
	for i := range n {
		next, boot := int(link[3*i]), int(link[3*i+1])
		if next < None || next >= n || boot < 0 || boot >= n {
			return fmt.Errorf("replay: frame %d links to frames %d and %d of %d", i, next, boot, n)
		}
	}
	copy(b.x, x)
	copy(b.act, tensors["action"])
	copy(b.ret, tensors["return"])
	copy(b.discount, tensors["discount"])
	clear(b.ready)
	b.head, b.size, b.transitions = head, n, 0
	for i := range n {
		b.next[i], b.boot[i] = int32(link[3*i]), int32(link[3*i+1])
		if link[3*i+2] != 0 {
			b.ready[i] = true
			b.transitions++
		}
	}
	return nil
}
