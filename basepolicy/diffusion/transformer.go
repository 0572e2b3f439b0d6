package diffusion

import (
	"fmt"

	"korr/internal/nn"
)

// transformer has one token per action. The step embedding and the observation
// give c; every block adds attention and a feed-forward network to its tokens,
// each with a shift, scale and gate from c (adaLN-zero: the gates start at zero,
// so that every block starts as the identity).
type transformer struct {
	cfg        Config
	step       *stepEncoder
	cond       *nn.Linear // [step embedding, observation] to c
	in         *nn.Linear
	position   *nn.Param // [H, Width]
	blocks     []tfBlock
	norm       *nn.GroupNorm // shared by all: it has no parameters
	modulation *nn.Linear    // c to the output's shift and scale
	out        *nn.Linear
}

type tfBlock struct {
	modulation *nn.Linear // silu(c) to shift, scale, gate, twice
	attention  *nn.Attention
	a, b       *nn.Linear
}

func newTransformer(cfg Config, b *nn.Builder) *transformer {
	w := cfg.Width
	t := &transformer{cfg: cfg, step: newStepEncoder(b, cfg.StepDim), norm: nn.NewLayerNorm(w)}
	t.cond = nn.NewLinear(b, "cond", cfg.StepDim+cfg.ObsDim, w)
	t.in = nn.NewLinear(b, "input", cfg.ActDim, w)
	t.position = b.Add("position", nn.Normal(0.02), cfg.Horizon, w)
	for i := range cfg.Blocks {
		name := fmt.Sprintf("blocks.%d.", i)
		t.blocks = append(t.blocks, tfBlock{
			modulation: nn.NewLinearFrom(b, name+"modulation", w, 6*w, nil, nil),
			attention:  nn.NewAttention(b, name+"attention", w, cfg.Heads),
			a:          nn.NewLinear(b, name+"0", w, 4*w), b: nn.NewLinear(b, name+"1", 4*w, w),
		})
	}
	t.modulation = nn.NewLinearFrom(b, "modulation", w, 2*w, nil, nil)
	t.out = nn.NewLinearFrom(b, "output", w, cfg.ActDim, nil, nil)
	return t
}

// modulated is layer norm, then (1 + scale) x + shift with the sequence's own
// shift and scale.
type modulated struct {
	norm *nn.GroupNormPass
	film *nn.FiLM
	e    []float32 // [n, 2, width]: 1 + scale, shift
}

func (t *transformer) newModulated(maxBatch int) modulated {
	w, rows := t.cfg.Width, t.cfg.Horizon
	return modulated{t.norm.NewPass(maxBatch*rows, 1), nn.NewFiLM(maxBatch, rows, w), make([]float32, maxBatch*2*w)}
}

// forward reads shift and scale at offset at of the rows of m, which are width
// wide.
func (p *modulated) forward(x, m []float32, n, rows, w, width, at int) []float32 {
	for i := range n {
		e, row := p.e[i*2*w:], m[i*width+at:]
		copy(e[w:2*w], row[:w])
		for j, v := range row[w : 2*w] {
			e[j] = 1 + v
		}
	}
	return p.film.Forward(p.norm.Forward(x, n*rows), p.e, n)
}

// backward returns the gradient of x and writes those of shift and scale to dm.
func (p *modulated) backward(dy, dm []float32, n, w, width, at int) []float32 {
	dx, de := p.film.Backward(dy)
	for i := range n {
		copy(dm[i*width+at:][:w], de[i*2*w+w:])
		copy(dm[i*width+at+w:][:w], de[i*2*w:])
	}
	return p.norm.Backward(dx)
}

type tfBlockPass struct {
	modulation     *nn.LinearPass
	m, dm          []float32 // [n, 6 width]
	first, second  modulated
	attention      *nn.AttentionPass
	a, b           *nn.LinearPass
	act            *nn.ActivationPass
	ya, yb         []float32 // of attention and feed-forward, before their gates
	mid, out, grad []float32
}

type transformerPass struct {
	t                  *transformer
	n                  int
	step               *stepPass
	joined             []float32
	cond, in, mod, out *nn.LinearPass
	act                *nn.ActivationPass
	blocks             []*tfBlockPass
	last               modulated
	embedded           []float32 // what the first block read
	dmod, dc, demb     []float32
}

func (t *transformer) steps() *stepEncoder { return t.step }

func (t *transformer) newPass(maxBatch int) Pass {
	w, rows := t.cfg.Width, maxBatch*t.cfg.Horizon
	p := &transformerPass{
		t: t, step: t.step.newPass(maxBatch), joined: make([]float32, maxBatch*t.cond.In), cond: t.cond.NewPass(maxBatch),
		in: t.in.NewPass(rows), mod: t.modulation.NewPass(maxBatch), out: t.out.NewPass(rows),
		act: nn.Activation(nn.SiLU).NewPass(maxBatch * w), last: t.newModulated(maxBatch),
	}
	for i := range t.blocks {
		b := &t.blocks[i]
		p.blocks = append(p.blocks, &tfBlockPass{
			modulation: b.modulation.NewPass(maxBatch), first: t.newModulated(maxBatch), second: t.newModulated(maxBatch),
			attention: b.attention.NewPass(maxBatch, t.cfg.Horizon), a: b.a.NewPass(rows), b: b.b.NewPass(rows),
			act: nn.Activation(nn.SiLU).NewPass(rows * 4 * w), mid: make([]float32, rows*w), out: make([]float32, rows*w),
		})
	}
	return p
}

func (p *transformerPass) Forward(x, cond []float32, steps []int, n int) []float32 {
	w, rows := p.t.cfg.Width, p.t.cfg.Horizon
	p.n = n
	c, h := p.condition(cond, steps, n), p.embed(x, n)
	for _, b := range p.blocks {
		h = b.forward(h, c, n, rows, w)
	}
	return p.output(h, c, n)
}

// condition encodes diffusion step and observation [n*w].
func (p *transformerPass) condition(cond []float32, steps []int, n int) []float32 {
	cfg := &p.t.cfg
	joinRows(p.joined, p.step.forward(steps, n), cond, n, cfg.StepDim, cfg.ObsDim)
	return p.act.Forward(p.cond.Forward(p.joined, n))
}

// embed turns actions into tokens [n*rows*w].
func (p *transformerPass) embed(x []float32, n int) []float32 {
	w, rows := p.t.cfg.Width, p.t.cfg.Horizon
	h := p.in.Forward(x, n*rows)
	for i := range n {
		add(h[i*rows*w:(i+1)*rows*w], p.t.position.Data)
	}
	p.embedded = h
	return h
}

// output turns tokens into the network's output.
func (p *transformerPass) output(h, c []float32, n int) []float32 {
	w, rows := p.t.cfg.Width, p.t.cfg.Horizon
	return p.out.Forward(p.last.forward(h, p.mod.Forward(c, n), n, rows, w, 2*w, 0), n*rows)
}

func (b *tfBlockPass) forward(x, c []float32, n, rows, w int) []float32 {
	b.m = b.modulation.Forward(c, n)
	return b.feedForward(b.attend(x, n, rows, w), n, rows, w)
}

// attend is the first half of forward; m is up to date.
func (b *tfBlockPass) attend(x []float32, n, rows, w int) []float32 {
	b.ya = b.attention.Forward(b.first.forward(x, b.m, n, rows, w, 6*w, 0), n)
	gated(b.mid, x, b.ya, b.m, n, rows, w, 2*w)
	return b.mid[:n*rows*w]
}

// feedForward is the second half.
func (b *tfBlockPass) feedForward(x []float32, n, rows, w int) []float32 {
	y := b.second.forward(x, b.m, n, rows, w, 6*w, 3*w)
	b.yb = b.b.Forward(b.act.Forward(b.a.Forward(y, n*rows)), n*rows)
	gated(b.out, x, b.yb, b.m, n, rows, w, 5*w)
	return b.out[:n*rows*w]
}

// gated writes dst = x + gate y, with each sequence's gate at offset at of its
// modulation m.
func gated(dst, x, y, m []float32, n, rows, w, at int) {
	for i := range n {
		gate := m[i*6*w+at:][:w]
		for k := i * rows * w; k < (i+1)*rows*w; k += w {
			out, a, b := dst[k:k+w], x[k:k+w], y[k:k+w]
			for j, g := range gate {
				out[j] = a[j] + g*b[j]
			}
		}
	}
}

// gatedGrad writes the gradient of y to dy and that of the gate into dm.
func gatedGrad(dy, g, y, m, dm []float32, n, rows, w, at int) {
	for i := range n {
		gate, dg := m[i*6*w+at:][:w], dm[i*6*w+at:][:w]
		clear(dg)
		for k := i * rows * w; k < (i+1)*rows*w; k += w {
			out, a, b := dy[k:k+w], g[k:k+w], y[k:k+w]
			for j, v := range a {
				dg[j] += v * b[j]
				out[j] = v * gate[j]
			}
		}
	}
}

func (p *transformerPass) Backward(dy []float32) {
	cfg := &p.t.cfg
	n, w, rows := p.n, cfg.Width, cfg.Horizon
	p.dmod, p.dc = resize(p.dmod, n*2*w), resize(p.dc, n*w)
	g := p.last.backward(p.out.Backward(dy), p.dmod, n, w, 2*w, 0)
	copy(p.dc, p.mod.Backward(p.dmod))
	for i := len(p.blocks) - 1; i >= 0; i-- {
		g = p.blocks[i].backward(g, p.dc, n, rows, w)
	}
	for i := range n {
		add(p.t.position.Grad, g[i*rows*w:(i+1)*rows*w])
	}
	p.in.BackwardParams(g)
	p.demb = resize(p.demb, n*cfg.StepDim)
	splitRows(p.demb, nil, p.cond.Backward(p.act.Backward(p.dc)), n, cfg.StepDim, cfg.ObsDim)
	p.step.backward(p.demb)
}

// backward turns g into the gradient of the block's input, which it returns, and
// adds that of the condition to dc.
func (b *tfBlockPass) backward(g, dc []float32, n, rows, w int) []float32 {
	k := n * rows * w
	b.dm, b.grad = resize(b.dm, n*6*w), resize(b.grad, k)
	gatedGrad(b.grad, g, b.yb, b.m, b.dm, n, rows, w, 5*w)
	d := b.a.Backward(b.act.Backward(b.b.Backward(b.grad)))
	add(g[:k], b.second.backward(d, b.dm, n, w, 6*w, 3*w))
	gatedGrad(b.grad, g, b.ya, b.m, b.dm, n, rows, w, 2*w)
	add(g[:k], b.first.backward(b.attention.Backward(b.grad), b.dm, n, w, 6*w, 0))
	add(dc, b.modulation.Backward(b.dm))
	return g
}
