package nn

import (
	"math"

	"gonum.org/v1/gonum/blas"
)

// Attention is multi-head self-attention over the rows of every sequence x
// [rows, Width] (Vaswani et al. 2017, arXiv 1706.03762): with Q, K, V = x W^T + b
// split over Heads,
//
//	y = concat(softmax(Q K^T / sqrt(Width / Heads)) V) W_o^T + b_o.
type Attention struct {
	Width, Heads int
	QKV, Out     *Linear
}

// NewAttention adds the two linear maps name+".in_proj" [3 Width, Width] and
// name+".out_proj" to b. It panics unless Heads divides Width.
func NewAttention(b *Builder, name string, width, heads int) *Attention {
	if heads < 1 || width%heads != 0 {
		panic("nn: NewAttention: the heads must divide the width")
	}
	return &Attention{
		Width: width, Heads: heads,
		QKV: NewLinear(b, name+".in_proj", width, 3*width), Out: NewLinear(b, name+".out_proj", width, width),
	}
}

// AttentionPass holds one batch through an Attention.
type AttentionPass struct {
	a            *Attention
	n, rows      int
	in, out      *LinearPass
	qkv          []float32
	weights      []float32 // softmax [n, heads, rows, rows]
	mixed        []float32 // [n*rows, width]
	dqkv, dScore []float32
}

// NewPass returns a pass for batches of up to maxBatch sequences of so many rows.
func (a *Attention) NewPass(maxBatch, rows int) *AttentionPass {
	return &AttentionPass{
		a: a, rows: rows, in: a.QKV.NewPass(maxBatch * rows), out: a.Out.NewPass(maxBatch * rows),
		weights: make([]float32, maxBatch*a.Heads*rows*rows), mixed: make([]float32, maxBatch*rows*a.Width),
	}
}

// Forward returns y, which belongs to the pass; x must not change before Backward.
func (p *AttentionPass) Forward(x []float32, n int) []float32 {
	p.n = n
	p.qkv = p.in.Forward(x, n*p.rows)
	w, d := p.a.Width, p.a.Width/p.a.Heads
	scale := float32(1 / math.Sqrt(float64(d)))
	p.each(func(i int, score []float32) {
		q := p.qkv[i:]
		strided(blas.NoTrans, blas.Trans, p.rows, p.rows, d, scale, q, 3*w, q[w:], 3*w, 0, score, p.rows)
		softmax(score, p.rows)
		strided(blas.NoTrans, blas.NoTrans, p.rows, d, p.rows, 1, score, p.rows, q[2*w:], 3*w, 0, p.mixed[p.mixedAt(i):], w)
	})
	return p.out.Forward(p.mixed, n*p.rows)
}

// each visits every head of every sequence: where its part of qkv begins and its
// softmax.
func (p *AttentionPass) each(visit func(i int, score []float32)) {
	w, d, square := p.a.Width, p.a.Width/p.a.Heads, p.rows*p.rows
	for s := range p.n {
		for h := range p.a.Heads {
			k := (s*p.a.Heads + h) * square
			visit(s*p.rows*3*w+h*d, p.weights[k:k+square])
		}
	}
}

// mixedAt turns a head's place in qkv into its place in mixed.
func (p *AttentionPass) mixedAt(i int) int {
	w := p.a.Width
	return i/(3*w)*w + i%(3*w)
}

// Backward adds the parameters' gradients for dy and returns that of x, which
// belongs to the pass.
func (p *AttentionPass) Backward(dy []float32) []float32 {
	dMixed := p.out.Backward(dy)
	w, d := p.a.Width, p.a.Width/p.a.Heads
	scale := float32(1 / math.Sqrt(float64(d)))
	dqkv, ds := grow(&p.dqkv, p.n*p.rows*3*w), grow(&p.dScore, p.rows*p.rows)
	p.each(func(i int, score []float32) {
		q, dq, dm := p.qkv[i:], dqkv[i:], dMixed[p.mixedAt(i):]
		strided(blas.NoTrans, blas.Trans, p.rows, p.rows, d, 1, dm, w, q[2*w:], 3*w, 0, ds, p.rows)
		strided(blas.Trans, blas.NoTrans, p.rows, d, p.rows, 1, score, p.rows, dm, w, 0, dq[2*w:], 3*w)
		softmaxGrad(ds, score, p.rows)
		strided(blas.NoTrans, blas.NoTrans, p.rows, d, p.rows, scale, ds, p.rows, q[w:], 3*w, 0, dq, 3*w)
		strided(blas.Trans, blas.NoTrans, p.rows, d, p.rows, scale, ds, p.rows, q, 3*w, 0, dq[w:], 3*w)
	})
	return p.in.Backward(dqkv)
}

func softmax(x []float32, width int) {
	for ; len(x) >= width; x = x[width:] {
		row := x[:width]
		top := row[0]
		for _, v := range row {
			top = max(top, v)
		}
		var total float32
		for j, v := range row {
			e := float32(math.Exp(float64(v - top)))
			row[j] = e
			total += e
		}
		for j := range row {
			row[j] /= total
		}
	}
}

// softmaxGrad turns the gradient g of the rows of y = softmax into that of its
// input: y (g - sum(g y)).
func softmaxGrad(g, y []float32, width int) {
	for at := 0; at < len(g); at += width {
		row, out := g[at:at+width], y[at:at+width]
		var dot float32
		for j, v := range row {
			dot += v * out[j]
		}
		for j, v := range row {
			row[j] = out[j] * (v - dot)
		}
	}
}
