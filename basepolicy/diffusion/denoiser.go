package diffusion

import (
	"korr/basepolicy"
	"korr/basepolicy/cache"
)

// Denoiser is what a Sampler sees of a network. Whatever saves network calls, a
// cache or a forecast, is a Denoiser around another.
type Denoiser interface {
	// Begin announces a run over n chunks: the diffusion steps that PredictTo will be
	// asked for, in order. The slice must not be changed or kept beyond the run.
	Begin(steps []int, n int)
	// PredictTo writes the network's output [n*H*U] for the noisy chunks x [n*H*U] at
	// the i-th announced step, under observations cond [n*D].
	PredictTo(dst, x, cond []float32, i int)
}

// Direct is the denoiser that calls the network every time. It is a cache.Net.
type Direct struct {
	net      *Network
	maxBatch int
	pass     Pass
	steps    []int
	batch    []int
	n        int
}

// NewDenoiser returns a Direct for up to maxBatch chunks.
func NewDenoiser(net *Network, maxBatch int) *Direct {
	return &Direct{net: net, maxBatch: maxBatch, pass: net.NewPass(maxBatch), batch: make([]int, maxBatch)}
}

// Begin implements Denoiser.
func (d *Direct) Begin(steps []int, n int) { d.steps, d.n = steps, n }

// at is step i for every chunk.
func (d *Direct) at(i int) []int {
	for j := range d.n {
		d.batch[j] = d.steps[i]
	}
	return d.batch[:d.n]
}

// PredictTo implements Denoiser.
func (d *Direct) PredictTo(dst, x, cond []float32, i int) {
	copy(dst, d.pass.Forward(x, cond, d.at(i), d.n))
}

// Info is what the last run took.
func (d *Direct) Info() basepolicy.ChunkInfo {
	return basepolicy.ChunkInfo{Steps: len(d.steps), Calls: float32(len(d.steps))}
}

// Shape implements cache.Net.
func (d *Direct) Shape() cache.Shape {
	return cache.Shape{Horizon: d.net.cfg.Horizon, ActDim: d.net.cfg.ActDim, MaxBatch: d.maxBatch}
}

// Parts implements cache.Net.
func (d *Direct) Parts() cache.Parts {
	p := cache.Parts{Steps: stepPart{d.net.design.steps().newPass(1), make([]int, 1)}}
	if t, ok := d.pass.(tailed); ok && t.tailDim() > 0 {
		p.Tail = tailPart{d, t}
	}
	if t, ok := d.pass.(*transformerPass); ok {
		p.Stream, p.Blocks = streamPart{d, t}, blockPart{d, t}
	}
	return p
}

// tailed is a pass whose last block can be run alone.
type tailed interface {
	tailDim() int // of a chunk
	tailShare() float64
	// tailInput is what the last block read in the last Forward [n*tailDim].
	tailInput() []float32
	// tail returns the output for such an input.
	tail(input, cond []float32, steps []int, n int) []float32
}

type stepPart struct {
	pass *stepPass
	step []int
}

func (s stepPart) EmbedDim() int { return s.pass.dim }

func (s stepPart) EmbedTo(dst []float32, step int) {
	s.step[0] = step
	copy(dst, s.pass.forward(s.step, 1))
}

type tailPart struct {
	d *Direct
	p tailed
}

func (t tailPart) TailDim() int       { return t.p.tailDim() }
func (t tailPart) TailShare() float64 { return t.p.tailShare() }

func (t tailPart) TailInputTo(dst []float32) { copy(dst, t.p.tailInput()) }

func (t tailPart) TailTo(dst, input, cond []float32, i int) {
	copy(dst, t.p.tail(input, cond, t.d.at(i), t.d.n))
}

type streamPart struct {
	d *Direct
	p *transformerPass
}

func (s streamPart) StreamDim() int         { return s.p.t.cfg.Horizon * s.p.t.cfg.Width }
func (s streamPart) HeadShare() float64     { return s.p.t.work().rest }
func (s streamPart) StreamTo(dst []float32) { s.p.stream(dst) }

func (s streamPart) HeadTo(dst, stream, x, cond []float32, i int) {
	copy(dst, s.p.head(stream, x, cond, s.d.at(i), s.d.n))
}

type blockPart struct {
	d *Direct
	p *transformerPass
}

func (b blockPart) Units() int   { return 2 * len(b.p.blocks) }
func (b blockPart) UnitDim() int { return b.p.t.cfg.Horizon * b.p.t.cfg.Width }

func (b blockPart) UnitShare() (attention, feedForward, rest float64) {
	w := b.p.t.work()
	return w.attention, w.feedForward, w.rest
}

func (b blockPart) BlocksTo(dst, x, cond []float32, i int, fresh []bool, kept [][]float32) {
	copy(dst, b.p.piecewise(x, cond, b.d.at(i), b.d.n, fresh, kept))
}
