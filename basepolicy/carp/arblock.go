package carp

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"

	"korr/internal/nn"
)

// modulation is layer norm, then (1 + scale) x + shift with every sequence's own scale and shift.
type modulation struct {
	m, dm              []float32 // [n, width] what the condition gives, and its gradient
	hat, rstd, y, grad []float32
}

// forward reads scale and shift at the offsets of the rows of m, which are width wide.
func (q *modulation) forward(x []float32, n, rows, c, width, scale, shift int) []float32 {
	q.hat, q.y, q.rstd = resize(q.hat, n*rows*c), resize(q.y, n*rows*c), resize(q.rstd, n*rows)
	for r := range n * rows {
		hat := q.hat[r*c : (r+1)*c]
		q.rstd[r] = standardise(hat, x[r*c:(r+1)*c])
		m := q.m[r/rows*width:]
		for j, v := range hat {
			q.y[r*c+j] = v*(1+m[scale+j]) + m[shift+j]
		}
	}
	return q.y
}

// backward returns the gradient of x and writes those of scale and shift into dm.
func (q *modulation) backward(dy []float32, n, rows, c, width, scale, shift int) []float32 {
	q.dm, q.grad = resize(q.dm, n*width), resize(q.grad, n*rows*c)
	for i := range n {
		clear(q.dm[i*width+scale:][:c])
		clear(q.dm[i*width+shift:][:c])
	}
	for r := range n * rows {
		m, dm := q.m[r/rows*width:], q.dm[r/rows*width:]
		hat, dx := q.hat[r*c:(r+1)*c], q.grad[r*c:(r+1)*c]
		for j, v := range dy[r*c : (r+1)*c] {
			dm[scale+j] += v * hat[j]
			dm[shift+j] += v
			dx[j] = v * (1 + m[scale+j])
		}
		standardiseGrad(dx, dx, hat, q.rstd[r])
	}
	return q.grad
}

// arBlockPass is one batch through a block.
type arBlockPass struct {
	b             *arBlock
	cfg           *Config
	ada           *nn.LinearPass
	m, dm         []float32 // [n, 6 C]: gates, scales, shifts, of attention and feed-forward
	first, second modulation
	proj, up, out *nn.LinearPass
	act           *nn.ActivationPass

	read                  []float32 // what attention read [n*rows, C]
	qkv                   []float32 // of the present tokens [n*rows, 3 C], before anything
	q                     []float32 // [n*rows, C] of length one
	keys, values          []float32 // of all tokens so far [n, tokens, C], keys of length one
	qLength, kLength      []float32 // [n*rows, heads], before
	weights               []float32 // [n, heads, rows, tokens]
	mixed, ya, yb         []float32
	mid, y                []float32
	g, dqkv, dq, dw       []float32
	dread, dkeys, dvalues []float32
}

func (b *arBlock) newPass(cfg *Config, maxBatch int) *arBlockPass {
	c, tokens := cfg.Embed, cfg.Tokens()
	rows := maxBatch * tokens
	return &arBlockPass{
		b: b, cfg: cfg, ada: b.ada.NewPass(maxBatch), proj: b.proj.NewPass(rows), up: b.up.NewPass(rows),
		out: b.out.NewPass(rows), act: nn.Activation(geluTanh).NewPass(rows * cfg.MLPRatio * c),
		keys: make([]float32, rows*c), values: make([]float32, rows*c),
	}
}

// geluTanh is 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
func geluTanh(y, d, x []float32) {
	k := math.Sqrt(2 / math.Pi)
	for i, v := range x {
		z := float64(v)
		t := math.Tanh(k * (z + 0.044715*z*z*z))
		y[i] = float32(0.5 * z * (1 + t))
		if d != nil {
			d[i] = float32(0.5*(1+t) + 0.5*z*(1-t*t)*k*(1+3*0.044715*z*z))
		}
	}
}

// Offsets in m, in widths of the stream.
const (
	gateAttend = iota
	gateFeed
	scaleAttend
	scaleFeed
	shiftAttend
	shiftFeed
	parts
)

func (b *arBlockPass) forward(x []float32, p *Pass, rows int) []float32 {
	n, c := p.n, b.cfg.Embed
	b.first.m, b.second.m = b.m, b.m
	b.read = b.first.forward(x, n, rows, c, parts*c, scaleAttend*c, shiftAttend*c)
	b.ya = b.proj.Forward(b.attend(p, rows), n*rows)
	b.mid = b.gated(b.mid, x, b.ya, n, rows, gateAttend*c)
	y := b.second.forward(b.mid, n, rows, c, parts*c, scaleFeed*c, shiftFeed*c)
	b.yb = b.out.Forward(b.act.Forward(b.up.Forward(y, n*rows)), n*rows)
	b.y = b.gated(b.y, b.mid, b.yb, n, rows, gateFeed*c)
	return b.y
}

// gated writes x + gate y.
func (b *arBlockPass) gated(dst, x, y []float32, n, rows, at int) []float32 {
	c := b.cfg.Embed
	dst = resize(dst, n*rows*c)
	for r := range n * rows {
		gate := b.m[r/rows*parts*c+at:][:c]
		for j, g := range gate {
			dst[r*c+j] = x[r*c+j] + g*y[r*c+j]
		}
	}
	return dst
}

// attend returns the values that the present tokens [from, to) attend to, of all tokens up to the end of each's scale.
func (b *arBlockPass) attend(p *Pass, rows int) []float32 {
	n, c, heads, tokens := p.n, b.cfg.Embed, b.cfg.Heads, b.cfg.Tokens()
	d := c / heads
	b.qkv = resize(b.qkv, n*rows*3*c)
	nn.MatMulT(b.qkv, b.read, b.b.qkv.Data, n*rows, c, 3*c, 0)
	b.q, b.mixed = resize(b.q, n*rows*c), resize(b.mixed, n*rows*c)
	b.qLength, b.kLength = resize(b.qLength, n*rows*heads), resize(b.kLength, n*rows*heads)
	for r := range n * rows {
		at := (r/rows*tokens + p.from + r%rows) * c
		row := b.qkv[r*3*c:][:3*c]
		for j := range c {
			row[j] += b.b.qBias.Data[j]
			b.values[at+j] = row[2*c+j] + b.b.vBias.Data[j]
		}
		for h := range heads {
			b.qLength[r*heads+h] = toUnit(b.q[r*c+h*d:][:d], row[h*d:])
			b.kLength[r*heads+h] = toUnit(b.keys[at+h*d:][:d], row[c+h*d:])
		}
	}
	b.weights = resize(b.weights, n*heads*rows*tokens)
	b.eachHead(p, rows, func(i, h, row, count, limit int, w []float32) {
		q, k := b.q[(i*rows+row)*c+h*d:], b.keys[i*tokens*c+h*d:]
		gemm(blas.NoTrans, blas.Trans, count, limit, d, b.factor(h), q, c, k, c, 0, w, tokens)
		for r := range count {
			softmax(w[r*tokens:][:limit])
		}
		gemm(blas.NoTrans, blas.NoTrans, count, d, limit, 1, w, tokens, b.values[i*tokens*c+h*d:], c, 0,
			b.mixed[(i*rows+row)*c+h*d:], c)
	})
	return b.mixed
}

// factor is what a head multiplies its scores by.
func (b *arBlockPass) factor(h int) float32 {
	return float32(math.Exp(math.Min(float64(b.b.scale.Data[h]), math.Log(largestFactor))))
}

// eachHead visits every head of every sequence, scale by scale: the rows of a scale attend to as many tokens.
func (b *arBlockPass) eachHead(p *Pass, rows int, visit func(i, h, row, count, limit int, w []float32)) {
	tokens, heads := b.cfg.Tokens(), b.cfg.Heads
	for scale := range b.cfg.Scales {
		begin, end := p.a.begins(scale), p.a.begins(scale+1)
		if begin < p.from || end > p.to {
			continue
		}
		for i := range p.n {
			for h := range heads {
				row := begin - p.from
				visit(i, h, row, end-begin, end, b.weights[((i*heads+h)*rows+row)*tokens:])
			}
		}
	}
}

// toUnit writes x divided by its length, and returns the length.
func toUnit(dst, x []float32) float32 {
	var square float64
	for j := range dst {
		square += float64(x[j]) * float64(x[j])
	}
	length := math.Max(math.Sqrt(square), 1e-12)
	for j := range dst {
		dst[j] = float32(float64(x[j]) / length)
	}
	return float32(length)
}

// unitGrad turns the gradient g of x / |x| into that of x.
func unitGrad(g, unit []float32, length float32) {
	var dot float32
	for j, v := range g {
		dot += v * unit[j]
	}
	for j, v := range g {
		g[j] = (v - dot*unit[j]) / length
	}
}

func softmax(row []float32) {
	top := row[0]
	for _, v := range row {
		top = max(top, v)
	}
	var sum float64
	for j, v := range row {
		e := math.Exp(float64(v - top))
		row[j] = float32(e)
		sum += e
	}
	for j := range row {
		row[j] = float32(float64(row[j]) / sum)
	}
}

// gemm is dst = alpha op(a) op(b) + beta dst over strided matrices.
func gemm(ta, tb blas.Transpose, m, n, k int, alpha float32, a []float32, sa int, b []float32, sb int, beta float32,
	dst []float32, sd int,
) {
	general := func(t blas.Transpose, rows, cols int, x []float32, stride int) blas32.General {
		if t == blas.Trans {
			rows, cols = cols, rows
		}
		return blas32.General{Rows: rows, Cols: cols, Stride: stride, Data: x}
	}
	blas32.Gemm(ta, tb, alpha, general(ta, m, k, a, sa), general(tb, k, n, b, sb), beta,
		blas32.General{Rows: m, Cols: n, Stride: sd, Data: dst})
}

// backward returns the gradient of the block's input and writes that of m to dm. It follows a forward of all tokens.
func (b *arBlockPass) backward(dy []float32, p *Pass, rows int) []float32 {
	n, c := p.n, b.cfg.Embed
	b.dm = resize(b.dm, n*parts*c)
	b.first.dm, b.second.dm = b.dm, b.dm
	b.g = resize(b.g, n*rows*c)
	back := func(dy, y []float32, at int) []float32 { // through a gate
		dgate := make([]float32, c)
		for i := range n {
			gate := b.m[i*parts*c+at:][:c]
			clear(dgate)
			for r := i * rows; r < (i+1)*rows; r++ {
				for j, v := range dy[r*c : (r+1)*c] {
					dgate[j] += v * y[r*c+j]
					b.g[r*c+j] = v * gate[j]
				}
			}
			copy(b.dm[i*parts*c+at:], dgate)
		}
		return b.g
	}
	d := b.up.Backward(b.act.Backward(b.out.Backward(back(dy, b.yb, gateFeed*c))))
	d = b.second.backward(d, n, rows, c, parts*c, scaleFeed*c, shiftFeed*c)
	for i, v := range dy[:n*rows*c] {
		d[i] += v
	}
	dmid := d
	e := b.first.backward(b.attendBackward(b.proj.Backward(back(dmid, b.ya, gateAttend*c)), p, rows), n, rows, c, parts*c,
		scaleAttend*c, shiftAttend*c)
	for i, v := range dmid[:n*rows*c] {
		e[i] += v
	}
	return e
}

// attendBackward returns the gradient of what attention read.
func (b *arBlockPass) attendBackward(dmixed []float32, p *Pass, rows int) []float32 {
	n, c, heads, tokens := p.n, b.cfg.Embed, b.cfg.Heads, b.cfg.Tokens()
	d := c / heads
	size := n * rows * c
	b.dq, b.dkeys, b.dvalues = resize(b.dq, size), resize(b.dkeys, size), resize(b.dvalues, size)
	clear(b.dq)
	clear(b.dkeys)
	clear(b.dvalues)
	b.dw = resize(b.dw, rows*tokens)
	b.eachHead(p, rows, func(i, h, row, count, limit int, w []float32) {
		at, all := (i*rows+row)*c+h*d, i*tokens*c+h*d
		gemm(blas.NoTrans, blas.Trans, count, limit, d, 1, dmixed[at:], c, b.values[all:], c, 0, b.dw, tokens)
		gemm(blas.Trans, blas.NoTrans, limit, d, count, 1, w, tokens, dmixed[at:], c, 1, b.dvalues[all:], c)
		f := b.factor(h)
		for r := range count {
			g, y := b.dw[r*tokens:][:limit], w[r*tokens:][:limit]
			var dot float32
			for j, v := range g {
				dot += v * y[j]
			}
			for j, v := range g {
				g[j] = f * y[j] * (v - dot)
			}
		}
		gemm(blas.NoTrans, blas.NoTrans, count, d, limit, 1, b.dw, tokens, b.keys[all:], c, 1, b.dq[at:], c)
		gemm(blas.Trans, blas.NoTrans, limit, d, count, 1, b.dw, tokens, b.q[at:], c, 1, b.dkeys[all:], c)
	})
	b.dqkv = resize(b.dqkv, 3*size)
	for r := range n * rows {
		row := b.dqkv[r*3*c:][:3*c]
		for h := range heads {
			q, g := b.q[r*c+h*d:][:d], b.dq[r*c+h*d:][:d]
			if b.b.scale.Data[h] < float32(math.Log(largestFactor)) {
				for j, v := range g { // scores are f q k, so the factor's logarithm has the gradient q . dq
					b.b.scale.Grad[h] += v * q[j]
				}
			}
			unitGrad(g, q, b.qLength[r*heads+h])
			unitGrad(b.dkeys[r*c+h*d:][:d], b.keys[r*c+h*d:][:d], b.kLength[r*heads+h])
		}
		copy(row, b.dq[r*c:(r+1)*c])
		copy(row[c:], b.dkeys[r*c:(r+1)*c])
		copy(row[2*c:], b.dvalues[r*c:(r+1)*c])
		for j := range c {
			b.b.qBias.Grad[j] += row[j]
			b.b.vBias.Grad[j] += row[2*c+j]
		}
	}
	nn.MatTMul(b.b.qkv.Grad, b.dqkv, b.read, 3*c, n*rows, c, 1)
	b.dread = resize(b.dread, size)
	nn.MatMul(b.dread, b.dqkv, b.b.qkv.Data, n*rows, 3*c, c, 0)
	return b.dread
}
