package diffusion

// tailDim is the width of what the last level of the way up reads; a UNet of one
// level has none.
func (p *unetPass) tailDim() int {
	if len(p.ups) == 0 {
		return 0
	}
	l := p.ups[len(p.ups)-1]
	return l.length * (l.deep + l.across)
}

func (p *unetPass) tailInput() []float32 {
	return p.ups[len(p.ups)-1].joined[:p.n*p.tailDim()]
}

func (p *unetPass) tail(input, cond []float32, steps []int, n int) []float32 {
	x := p.ups[len(p.ups)-1].forwardUp(input, p.condition(cond, steps, n), n)
	return p.out.Forward(p.last.forward(x, n), n)
}

// tailShare counts the multiplications of one chunk.
func (p *unetPass) tailShare() float64 {
	u := p.u
	res := func(r *resBlock, length int) int {
		k := length * u.cfg.Kernel * (r.in*r.out + r.out*r.out)
		if r.skip != nil {
			k += length * r.in * r.out
		}
		return k + r.cond.In*r.cond.Out
	}
	total, length := u.step.work(), u.cfg.Horizon
	for _, l := range u.downs {
		total += res(l.a, length) + res(l.b, length)
		if l.down != nil {
			total += l.down.OutLen(length) * l.down.Kernel * l.down.In * l.down.Out
			length = l.down.OutLen(length)
		}
	}
	total += res(u.mids[0], length) + res(u.mids[1], length)
	last := 0
	for _, l := range u.ups {
		last = res(l.a, length) + res(l.b, length) + length*l.up.Kernel*l.up.In*l.up.Out
		total += last
		length = l.up.OutLen(length)
	}
	c := u.last.conv
	out := length * (c.Kernel*c.In*c.Out + u.out.In*u.out.Out)
	return float64(last+out) / float64(total+out)
}

// tfWork are shares of the multiplications of a call: of one attention, of one
// feed-forward with its half of the modulation, and of all that is no unit.
type tfWork struct{ attention, feedForward, rest float64 }

func (t *transformer) work() tfWork {
	w, h := t.cfg.Width, t.cfg.Horizon
	attention := h*4*w*w + 2*h*h*w + 3*w*w
	feedForward := h*8*w*w + 3*w*w
	rest := t.step.work() + (t.cfg.StepDim+t.cfg.ObsDim)*w + 2*h*t.cfg.ActDim*w + 2*w*w
	total := float64(rest + t.cfg.Blocks*(attention+feedForward))
	return tfWork{float64(attention) / total, float64(feedForward) / total, float64(rest) / total}
}

func (p *transformerPass) tailDim() int { return p.t.cfg.Horizon * p.t.cfg.Width }

func (p *transformerPass) tailShare() float64 {
	w := p.t.work()
	return w.attention + w.feedForward + w.rest
}

func (p *transformerPass) tailInput() []float32 {
	if n := len(p.blocks); n > 1 {
		return p.blocks[n-2].out[:p.n*p.tailDim()]
	}
	return p.embedded
}

func (p *transformerPass) tail(input, cond []float32, steps []int, n int) []float32 {
	c := p.condition(cond, steps, n)
	h := p.blocks[len(p.blocks)-1].forward(input, c, n, p.t.cfg.Horizon, p.t.cfg.Width)
	return p.output(h, c, n)
}

// stream writes what the blocks added in the last Forward.
func (p *transformerPass) stream(dst []float32) {
	out := p.blocks[len(p.blocks)-1].out
	for i, v := range p.embedded {
		dst[i] = out[i] - v
	}
}

// head is Forward with the blocks' sum given.
func (p *transformerPass) head(stream, x, cond []float32, steps []int, n int) []float32 {
	c, h := p.condition(cond, steps, n), p.embed(x, n)
	add(h, stream[:len(h)])
	return p.output(h, c, n)
}

// piecewise is Forward with only the fresh units computed, attention and feed-forward
// in turn, and what they add kept; the others add what is kept.
func (p *transformerPass) piecewise(x, cond []float32, steps []int, n int, fresh []bool, kept [][]float32) []float32 {
	w, rows := p.t.cfg.Width, p.t.cfg.Horizon
	c, h := p.condition(cond, steps, n), p.embed(x, n)
	for i, b := range p.blocks {
		if fresh[2*i] || fresh[2*i+1] {
			b.m = b.modulation.Forward(c, n)
		}
		for half := range 2 {
			keep := kept[2*i+half][:len(h)]
			if !fresh[2*i+half] {
				add(h, keep)
				continue
			}
			run := b.attend
			if half == 1 {
				run = b.feedForward
			}
			for j, v := range run(h, n, rows, w) {
				keep[j] = v - h[j]
				h[j] = v
			}
		}
	}
	return p.output(h, c, n)
}
