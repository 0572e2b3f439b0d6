package diffusion

import (
	"gonum.org/v1/gonum/blas/blas32"

	"korr/internal/nn"
)

// add adds src to dst.
func add(dst, src []float32) {
	blas32.Axpy(1, blas32.Vector{N: len(dst), Inc: 1, Data: src}, blas32.Vector{N: len(dst), Inc: 1, Data: dst})
}

type convBlockPass struct {
	conv *nn.Conv1dPass
	norm *nn.GroupNormPass
	act  *nn.ActivationPass
}

func (c *convBlock) newPass(maxBatch, length int, ws *nn.Workspace) *convBlockPass {
	return &convBlockPass{
		conv: c.conv.NewPass(maxBatch, length, ws), norm: c.norm.NewPass(maxBatch, length),
		act: nn.Activation(nn.Mish).NewPass(maxBatch * length * c.conv.Out),
	}
}

func (p *convBlockPass) forward(x []float32, n int) []float32 {
	return p.act.Forward(p.norm.Forward(p.conv.Forward(x, n), n))
}

func (p *convBlockPass) backward(dy []float32) []float32 {
	return p.conv.Backward(p.norm.Backward(p.act.Backward(dy)))
}

type resPass struct {
	a, b *convBlockPass
	cond *nn.LinearPass
	film *nn.FiLM
	skip *nn.Conv1dPass // nil: identity
	dy   []float32      // copy of the identity's gradient
}

func (r *resBlock) newPass(maxBatch, length int, ws *nn.Workspace) *resPass {
	p := &resPass{
		a: r.a.newPass(maxBatch, length, ws), b: r.b.newPass(maxBatch, length, ws),
		cond: r.cond.NewPass(maxBatch), film: nn.NewFiLM(maxBatch, length, r.out),
	}
	if r.skip != nil {
		p.skip = r.skip.NewPass(maxBatch, length, ws)
	}
	return p
}

// forward takes the activated condition.
func (p *resPass) forward(x, cond []float32, n int) []float32 {
	y := p.b.forward(p.film.Forward(p.a.forward(x, n), p.cond.Forward(cond, n), n), n)
	if p.skip != nil {
		x = p.skip.Forward(x, n)
	}
	add(y, x[:len(y)])
	return y
}

// backward returns the gradient of x and adds that of the condition to dcond.
func (p *resPass) backward(dy, dcond []float32) []float32 {
	var around []float32
	if p.skip != nil {
		around = p.skip.Backward(dy)
	} else {
		p.dy = append(p.dy[:0], dy...)
		around = p.dy
	}
	dx, de := p.film.Backward(p.b.backward(dy))
	add(dcond, p.cond.Backward(de))
	dx = p.a.backward(dx)
	add(dx, around[:len(dx)])
	return dx
}

type levelPass struct {
	a, b         *resPass
	down         *nn.Conv1dPass
	up           *nn.ConvTranspose1dPass
	length       int // of its blocks
	joined, dx   []float32
	skip, dskip  []float32 // what a level of the way down hands across, and its gradient
	across, deep int       // widths of joined's parts: from below, from across
}

// unetPass is one batch through a unet.
type unetPass struct {
	u           *unet
	n           int
	step        *stepPass
	cond        []float32 // [n, StepDim + ObsDim]
	act         *nn.ActivationPass
	dcond, demb []float32
	downs, ups  []*levelPass
	mids        [2]*resPass
	last        *convBlockPass
	out         *nn.Conv1dPass
}

func (u *unet) newPass(maxBatch int) Pass {
	width := u.cfg.StepDim + u.cfg.ObsDim
	ws := &nn.Workspace{}
	p := &unetPass{
		u: u, step: u.step.newPass(maxBatch), cond: make([]float32, maxBatch*width),
		act: nn.Activation(nn.Mish).NewPass(maxBatch * width),
	}
	length := u.cfg.Horizon
	for i := range u.downs {
		l := &u.downs[i]
		lp := &levelPass{a: l.a.newPass(maxBatch, length, ws), b: l.b.newPass(maxBatch, length, ws), length: length}
		if l.down != nil {
			lp.down = l.down.NewPass(maxBatch, length, ws)
			length = l.down.OutLen(length)
		}
		p.downs = append(p.downs, lp)
	}
	for i, m := range u.mids {
		p.mids[i] = m.newPass(maxBatch, length, ws)
	}
	for i := range u.ups {
		l := &u.ups[i]
		half := l.a.in / 2
		lp := &levelPass{
			a: l.a.newPass(maxBatch, length, ws), b: l.b.newPass(maxBatch, length, ws), length: length,
			deep: half, across: half,
		}
		lp.joined = make([]float32, maxBatch*length*2*half)
		lp.up = l.up.NewPass(maxBatch, length, ws)
		length = l.up.OutLen(length)
		p.ups = append(p.ups, lp)
	}
	p.last = u.last.newPass(maxBatch, length, ws)
	p.out = u.out.NewPass(maxBatch, length, ws)
	return p
}

func (p *unetPass) Forward(x, cond []float32, steps []int, n int) []float32 {
	p.n = n
	c := p.condition(cond, steps, n)
	for _, l := range p.downs {
		x = l.b.forward(l.a.forward(x, c, n), c, n)
		l.skip = x
		if l.down != nil {
			x = l.down.Forward(x, n)
		}
	}
	for _, m := range p.mids {
		x = m.forward(x, c, n)
	}
	for i, l := range p.ups {
		joinRows(l.joined, x, p.downs[len(p.downs)-1-i].skip, n*l.length, l.deep, l.across)
		x = l.forwardUp(l.joined, c, n)
	}
	return p.out.Forward(p.last.forward(x, n), n)
}

// condition encodes diffusion step and observation.
func (p *unetPass) condition(cond []float32, steps []int, n int) []float32 {
	cfg := &p.u.cfg
	joinRows(p.cond, p.step.forward(steps, n), cond, n, cfg.StepDim, cfg.ObsDim)
	return p.act.Forward(p.cond[:n*(cfg.StepDim+cfg.ObsDim)])
}

func (l *levelPass) forwardUp(joined, c []float32, n int) []float32 {
	return l.up.Forward(l.b.forward(l.a.forward(joined, c, n), c, n), n)
}

func (p *unetPass) Backward(dy []float32) {
	cfg, n := &p.u.cfg, p.n
	width := cfg.StepDim + cfg.ObsDim
	p.dcond = resize(p.dcond, n*width)
	clear(p.dcond)
	g := p.last.backward(p.out.Backward(dy))
	for i := len(p.ups) - 1; i >= 0; i-- {
		l := p.ups[i]
		g = l.a.backward(l.b.backward(l.up.Backward(g), p.dcond), p.dcond)
		d := p.downs[len(p.downs)-1-i]
		l.dx, d.dskip = resize(l.dx, n*l.length*l.deep), resize(d.dskip, n*l.length*l.across)
		splitRows(l.dx, d.dskip, g, n*l.length, l.deep, l.across)
		g = l.dx
	}
	for i := len(p.mids) - 1; i >= 0; i-- {
		g = p.mids[i].backward(g, p.dcond)
	}
	for i := len(p.downs) - 1; i >= 0; i-- {
		l := p.downs[i]
		if l.down != nil {
			g = l.down.Backward(g)
		}
		if i > 0 { // the first level hands nothing across
			add(g, l.dskip)
		}
		g = l.a.backward(l.b.backward(g, p.dcond), p.dcond)
	}
	p.demb = resize(p.demb, n*cfg.StepDim)
	splitRows(p.demb, nil, p.act.Backward(p.dcond), n, cfg.StepDim, cfg.ObsDim)
	p.step.backward(p.demb)
}

func resize(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}
