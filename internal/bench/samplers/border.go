package samplers

import (
	"math"
	"sync"

	"korr/basepolicy"
	"korr/residual"
	"korr/sim"
)

// borders sums up what the chunks of one setting took and how its commands changed, in normalised units.
type borders struct {
	mu                       sync.Mutex
	chunks, actions          int
	calls, forecast          float64
	accepted, rejected, less int
	// from what the old chunk meant to do to what the new one does instead, RMS over the dimensions
	jump, jumpMax float64
	moved         float64 // from one action to the next inside a chunk, likewise
	inside        int
	crossed       int // borders with an old chunk to compare with
}

func (b *borders) add(o *borders) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chunks, b.actions, b.calls, b.forecast = b.chunks+o.chunks, b.actions+o.actions, b.calls+o.calls,
		b.forecast+o.forecast
	b.accepted, b.rejected, b.less = b.accepted+o.accepted, b.rejected+o.rejected, b.less+o.less
	b.jump, b.jumpMax, b.crossed = b.jump+o.jump, max(b.jumpMax, o.jumpMax), b.crossed+o.crossed
	b.moved, b.inside = b.moved+o.moved, b.inside+o.inside
}

// watched is a base policy whose chunks and borders are counted. With a lead each chunk is planned that many control
// steps before its first action, as on a robot's clock, but in lock step: nothing depends on how fast the planning is.
type watched struct {
	basepolicy.Stepwise
	policy        basepolicy.ChunkPolicy
	execute, lead int
	sum, own      *borders

	chunk, next []float32
	row, end    int // of chunk: the next action, and the row at which the next chunk takes over
	have, ahead bool
	last        []float32 // action before
	phase       float32
}

func newWatched(p *residual.Policy, lead int, sum *borders) *watched {
	c := p.Base.NewChunker()
	n := c.Horizon() * c.ActDim()
	return &watched{
		policy: c, execute: p.Execute, lead: lead, sum: sum, own: &borders{},
		chunk: make([]float32, n), next: make([]float32, n), last: make([]float32, c.ActDim()),
	}
}

// Reset implements basepolicy.Planner.
func (w *watched) Reset(seed uint64) {
	w.have, w.ahead, w.phase = false, false, 0
	w.policy.Reset(seed)
}

// Phase is how far the chunk was executed.
func (w *watched) Phase() float32 { return w.phase }

// ActTo implements basepolicy.Planner.
func (w *watched) ActTo(act, obs []float32) error {
	u := w.policy.ActDim()
	if w.have && !w.ahead && w.row == w.end-w.lead {
		if err := w.plan(obs); err != nil {
			return err
		}
		w.ahead = true
	}
	switch {
	case !w.have:
		if err := w.policy.ChunkTo(w.next, obs, basepolicy.Rest{}); err != nil {
			return err
		}
		w.begin(0)
	case w.row == w.end:
		w.cross()
		w.begin(w.lead)
	default:
		w.own.moved += rms(w.chunk[w.row*u:(w.row+1)*u], w.last)
		w.own.inside++
	}
	copy(act, w.chunk[w.row*u:(w.row+1)*u])
	copy(w.last, act)
	w.row++
	w.own.actions++
	w.phase = min(1, 1-float32(w.end-w.row)/float32(w.execute))
	return nil
}

// plan fills next at obs.
func (w *watched) plan(obs []float32) error {
	rest := w.chunk[w.row*w.policy.ActDim():]
	return w.policy.ChunkTo(w.next, obs, basepolicy.Rest{Actions: rest, Committed: w.lead})
}

// begin makes next the present chunk, from the given row on.
func (w *watched) begin(row int) {
	w.chunk, w.next = w.next, w.chunk
	w.row, w.end, w.have, w.ahead = row, row+w.execute, true, false
	info, o := w.policy.ChunkInfo(), w.own
	o.chunks++
	o.calls += float64(info.Calls)
	o.forecast += float64(info.ForecastError)
	o.accepted, o.rejected = o.accepted+info.Accepted, o.rejected+info.Rejected
	if info.Execute > 0 && info.Execute < w.execute {
		w.end = row + max(info.Execute, w.lead, 1)
		o.less++
	}
}

// cross compares the two chunks at their border.
func (w *watched) cross() {
	u := w.policy.ActDim()
	if w.row*u >= len(w.chunk) {
		return // nothing was meant
	}
	d := rms(w.next[w.lead*u:(w.lead+1)*u], w.chunk[w.row*u:(w.row+1)*u])
	w.own.jump += d
	w.own.jumpMax = max(w.own.jumpMax, d)
	w.own.crossed++
}

// Close hands the sums over.
func (w *watched) Close() {
	w.sum.add(w.own)
	w.own = &borders{}
}

func rms(a, b []float32) float64 {
	var s float64
	for i, v := range a {
		d := float64(v - b[i])
		s += d * d
	}
	return math.Sqrt(s / float64(len(a)))
}

// watchedController is a base policy alone, watched.
type watchedController struct {
	*residual.Controller
	base *watched
}

func newWatchedController(p *residual.Policy, lead int, sum *borders) (*watchedController, error) {
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return nil, err
	}
	enc, err := p.Encoder(task.NewFeatures())
	if err != nil {
		return nil, err
	}
	w := newWatched(p, lead, sum)
	c, err := residual.NewController(residual.Config{Base: w, Encoder: enc})
	if err != nil {
		return nil, err
	}
	return &watchedController{c, w}, nil
}

// Close ends the counting.
func (c *watchedController) Close() { c.base.Close() }
