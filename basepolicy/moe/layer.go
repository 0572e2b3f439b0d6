package moe

import (
	"fmt"
	"math"
	"slices"

	"korr/internal/nn"
)

// Config describes a layer.
type Config struct {
	Width   int // of the stream and of the condition
	Experts int
	Top     int // experts that act
}

// ratio is the width inside an expert over that of the stream.
const ratio = 4

// normEps and zEps are added under the root and to the logarithm.
const (
	normEps = 1e-6
	zEps    = 1e-6
)

// Layer is a feed-forward of experts.
type Layer struct {
	cfg       Config
	gain      *nn.Param
	in, route *nn.Linear // of the router
	experts   []expert
}

type expert struct {
	in  *nn.Linear
	out *nn.Param // [width, ratio*width], without bias
}

// New adds a layer's parameters to b under the published names after prefix. It panics on sizes that make none.
func New(b *nn.Builder, prefix string, cfg Config) *Layer {
	if cfg.Width < 1 || cfg.Top < 1 || cfg.Top > cfg.Experts {
		panic(fmt.Sprintf("moe: %+v", cfg))
	}
	w := cfg.Width
	l := &Layer{
		cfg: cfg, gain: b.Add(prefix+"ln_2.g", nn.Constant(1), w),
		in:    nn.NewLinear(b, prefix+"router.router.mlp.0", w, 2*w),
		route: nn.NewLinear(b, prefix+"router.router.mlp.3", 2*w, cfg.Experts),
	}
	for e := range cfg.Experts {
		name := fmt.Sprintf("%sexperts.expert_%d.mlp.", prefix, e)
		l.experts = append(l.experts, expert{
			in:  nn.NewLinear(b, name+"0.project", w, 2*ratio*w),
			out: b.Add(name+"2.weight", nn.Uniform(1/math.Sqrt(float64(ratio*w))), w, ratio*w),
		})
	}
	return l
}

// Pass is one batch through a Layer. It belongs to one goroutine.
type Pass struct {
	l           *Layer
	n, rows     int
	in, route   *nn.LinearPass
	gelu        *nn.ActivationPass
	experts     []*expertPass
	Probs       []float32 // [n, experts]
	Weights     []float32 // [n, experts], 0 for those that do not act
	Shifted     []float32 // logits less their largest [n, experts]
	Chosen      [][]int   // of every chunk, likeliest first
	Normed      []float32 // [n*rows, width]
	y, rms, raw []float32
	dy, dw, dx  []float32
	dlogits     []float32
}

// expertPass is the chunks of a batch that go to an expert.
type expertPass struct {
	in            *nn.LinearPass
	chunks        []int
	x, a, silu, d []float32 // input, product, silu of the second half, its derivative
	h             []float32 // [.., 2 ratio width] of in
	y, dy, da, dh []float32
}

// NewPass returns memory for batches of up to maxBatch chunks of so many rows.
func (l *Layer) NewPass(maxBatch, rows int) *Pass {
	w, e := l.cfg.Width, l.cfg.Experts
	p := &Pass{
		l: l, rows: rows, in: l.in.NewPass(maxBatch), route: l.route.NewPass(maxBatch),
		gelu:  nn.Activation(gelu).NewPass(maxBatch * 2 * w),
		Probs: make([]float32, maxBatch*e), Weights: make([]float32, maxBatch*e), Shifted: make([]float32, maxBatch*e),
		dw: make([]float32, maxBatch*e), dlogits: make([]float32, maxBatch*e), Chosen: make([][]int, maxBatch),
	}
	size := maxBatch * rows * w
	for _, b := range []*[]float32{&p.Normed, &p.y, &p.dy, &p.dx} {
		*b = make([]float32, size)
	}
	p.rms = make([]float32, maxBatch*rows)
	for i := range p.Chosen {
		p.Chosen[i] = make([]int, l.cfg.Top)
	}
	for i := range l.experts {
		k := &expertPass{in: l.experts[i].in.NewPass(maxBatch * rows)}
		for _, b := range []*[]float32{&k.x, &k.y, &k.dy} {
			*b = make([]float32, size)
		}
		for _, b := range []*[]float32{&k.a, &k.silu, &k.d, &k.da} {
			*b = make([]float32, ratio*size)
		}
		k.dh = make([]float32, 2*ratio*size)
		p.experts = append(p.experts, k)
	}
	return p
}

// gelu is x Phi(x), exactly.
func gelu(y, d, x []float32) {
	for i, v := range x {
		z := float64(v)
		phi := 0.5 * (1 + math.Erf(z/math.Sqrt2))
		y[i] = float32(z * phi)
		if d != nil {
			d[i] = float32(phi + z*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi))
		}
	}
}

// Forward returns y [n*rows, width] for the stream x, under the conditions [n, width]. It belongs to the pass.
func (p *Pass) Forward(x, cond []float32, n int) []float32 {
	p.n, p.raw = n, x
	p.choose(cond)
	p.normalise(x)
	w := p.l.cfg.Width
	y := p.y[:n*p.rows*w]
	copy(y, p.Normed)
	for e := range p.experts {
		k := p.experts[e]
		k.chunks = k.chunks[:0]
		for i, chosen := range p.Chosen[:n] {
			if slices.Contains(chosen, e) {
				copy(k.x[len(k.chunks)*p.rows*w:], p.Normed[i*p.rows*w:(i+1)*p.rows*w])
				k.chunks = append(k.chunks, i)
			}
		}
		if len(k.chunks) == 0 {
			continue
		}
		out := k.forward(&p.l.experts[e], p.rows, w)
		for at, i := range k.chunks {
			share := p.Weights[i*len(p.experts)+e]
			for j, v := range out[at*p.rows*w : (at+1)*p.rows*w] {
				y[i*p.rows*w+j] += share * v
			}
		}
	}
	return y
}

// choose finds the experts of every chunk.
func (p *Pass) choose(cond []float32) {
	e := p.l.cfg.Experts
	logits := p.route.Forward(p.gelu.Forward(p.in.Forward(cond, p.n)), p.n)
	for i := range p.n {
		row, shifted, probs := logits[i*e:(i+1)*e], p.Shifted[i*e:(i+1)*e], p.Probs[i*e:(i+1)*e]
		top, sum := slices.Max(row), 0.0
		for j, v := range row {
			shifted[j] = v - top
			sum += math.Exp(float64(shifted[j]))
		}
		for j, v := range shifted {
			probs[j] = float32(math.Exp(float64(v)) / sum)
		}
		weights := p.Weights[i*e : (i+1)*e]
		clear(weights)
		var total float32
		for k := range p.Chosen[i] {
			best := -1
			for j, v := range probs {
				if !slices.Contains(p.Chosen[i][:k], j) && (best < 0 || v > probs[best]) {
					best = j
				}
			}
			p.Chosen[i][k] = best
			total += probs[best]
		}
		for _, j := range p.Chosen[i] {
			weights[j] = probs[j] / total
		}
	}
}

func (p *Pass) normalise(x []float32) {
	w := p.l.cfg.Width
	for r := range p.n * p.rows {
		var square float64
		row := x[r*w : (r+1)*w]
		for _, v := range row {
			square += float64(v) * float64(v)
		}
		p.rms[r] = float32(1 / math.Sqrt(square/float64(w)+normEps))
		for j, v := range row {
			p.Normed[r*w+j] = v * p.rms[r] * p.l.gain.Data[j]
		}
	}
}

func (k *expertPass) forward(e *expert, rows, w int) []float32 {
	n := len(k.chunks) * rows
	k.h = k.in.Forward(k.x, n)
	inner := ratio * w
	for r := range n {
		h := k.h[r*2*inner : (r+1)*2*inner]
		s, d := k.silu[r*inner:(r+1)*inner], k.d[r*inner:(r+1)*inner]
		nn.SiLU(s, d, h[inner:])
		for j, v := range s {
			k.a[r*inner+j] = h[j] * v
		}
	}
	nn.MatMulT(k.y[:n*w], k.a[:n*inner], e.out.Data, n, inner, w, 0)
	return k.y[:n*w]
}

// Losses of the router: balance and z.
func (p *Pass) Losses() (balance, z float64) {
	e := p.l.cfg.Experts
	for j := range e {
		mean, share := p.load(j)
		balance += float64(e) * mean * share
	}
	for i := range p.n {
		l := p.logSum(i)
		z += l * l / float64(p.n)
	}
	return balance, z
}

// load is an expert's mean weight and the share of the chunks that go to it.
func (p *Pass) load(j int) (mean, share float64) {
	for i := range p.n {
		v := p.Weights[i*p.l.cfg.Experts+j]
		mean += float64(v) / float64(p.n)
		if v > 0 {
			share += 1 / float64(p.n)
		}
	}
	return mean, share
}

func (p *Pass) logSum(i int) float64 {
	var sum float64
	for _, v := range p.Shifted[i*p.l.cfg.Experts:][:p.l.cfg.Experts] {
		sum += math.Exp(float64(v))
	}
	return math.Log(sum + zEps)
}

// Backward adds the parameters' gradients for dy and the losses times their weights. It returns those of the stream and
// of the conditions, which belong to the pass.
func (p *Pass) Backward(dy []float32, balance, z float64) (dx, dcond []float32) {
	w, e, size := p.l.cfg.Width, p.l.cfg.Experts, p.n*p.rows*p.l.cfg.Width
	dnormed := p.dy[:size]
	copy(dnormed, dy)
	dw := p.dw[:p.n*e]
	clear(dw)
	for j := range p.experts {
		k := p.experts[j]
		if len(k.chunks) == 0 {
			continue
		}
		for at, i := range k.chunks {
			share := p.Weights[i*e+j]
			var dot float32
			for t, v := range dy[i*p.rows*w : (i+1)*p.rows*w] {
				dot += v * k.y[at*p.rows*w+t]
				k.dy[at*p.rows*w+t] = share * v
			}
			dw[i*e+j] += dot
		}
		back := k.backward(&p.l.experts[j], p.rows, w)
		for at, i := range k.chunks {
			for t, v := range back[at*p.rows*w : (at+1)*p.rows*w] {
				dnormed[i*p.rows*w+t] += v
			}
		}
	}
	for j := range e {
		_, share := p.load(j)
		for i := range p.n {
			if p.Weights[i*e+j] > 0 {
				dw[i*e+j] += float32(balance * float64(e) * share / float64(p.n))
			}
		}
	}
	p.routeGrad(dw, z)
	return p.normaliseGrad(dnormed), p.in.Backward(p.gelu.Backward(p.route.Backward(p.dlogits[:p.n*e])))
}

// routeGrad turns the gradient of the weights, and the z loss, into that of the logits.
func (p *Pass) routeGrad(dw []float32, z float64) {
	e := p.l.cfg.Experts
	for i := range p.n {
		probs, weights, g := p.Probs[i*e:(i+1)*e], p.Weights[i*e:(i+1)*e], p.dlogits[i*e:(i+1)*e]
		var total, dot float64
		for _, j := range p.Chosen[i] {
			total += float64(probs[j])
			dot += float64(dw[i*e+j]) * float64(weights[j])
		}
		clear(g)
		for _, j := range p.Chosen[i] { // of the likeliest experts' probabilities
			g[j] = float32((float64(dw[i*e+j]) - dot) / total)
		}
		var inner float64
		for j, v := range g {
			inner += float64(v) * float64(probs[j])
		}
		largest, sum := 0, 0.0
		for j, v := range p.Shifted[i*e : (i+1)*e] {
			sum += math.Exp(float64(v))
			if v == 0 {
				largest = j
			}
		}
		l, scale := p.logSum(i), 0.0
		for j, v := range p.Shifted[i*e : (i+1)*e] {
			d := z * 2 * l / float64(p.n) * math.Exp(float64(v)) / (sum + zEps)
			scale += d
			g[j] = float32(float64(probs[j])*(float64(g[j])-inner) + d)
		}
		g[largest] -= float32(scale) // all logits are less the largest
	}
}

func (k *expertPass) backward(e *expert, rows, w int) []float32 {
	n, inner := len(k.chunks)*rows, ratio*w
	dy := k.dy[:n*w]
	nn.MatTMul(e.out.Grad, dy, k.a[:n*inner], w, n, inner, 1)
	nn.MatMul(k.da[:n*inner], dy, e.out.Data, n, w, inner, 0)
	for r := range n {
		h, dh := k.h[r*2*inner:(r+1)*2*inner], k.dh[r*2*inner:(r+1)*2*inner]
		for j, v := range k.da[r*inner : (r+1)*inner] {
			dh[j] = v * k.silu[r*inner+j]
			dh[inner+j] = v * h[j] * k.d[r*inner+j]
		}
	}
	return k.in.Backward(k.dh[:n*2*inner])
}

// normaliseGrad turns the gradient of the normed stream into that of the stream.
func (p *Pass) normaliseGrad(g []float32) []float32 {
	w := p.l.cfg.Width
	for r := range p.n * p.rows {
		x, d, s := p.raw[r*w:(r+1)*w], g[r*w:(r+1)*w], p.rms[r]
		var dot float64
		for j, v := range d {
			p.l.gain.Grad[j] += v * x[j] * s
			dot += float64(v*p.l.gain.Data[j]) * float64(x[j])
		}
		for j, v := range d {
			p.dx[r*w+j] = s*v*p.l.gain.Data[j] - float32(dot/float64(w))*s*s*s*x[j]
		}
	}
	return p.dx[:len(g)]
}
