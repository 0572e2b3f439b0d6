package carp

import (
	"math"

	"korr/internal/nn"
)

// A layer maps sequences [n, channels, length] to others. It keeps what backward needs, and belongs to one goroutine.
type layer interface {
	// forward returns the output, which belongs to the layer, and its length.
	forward(x []float32, n, length int) ([]float32, int)
	// backward adds the parameters' gradients for dy and returns that of the input, which belongs to the layer.
	backward(dy []float32) []float32
}

// chain is layers one after the other.
type chain []layer

func (c chain) forward(x []float32, n, length int) ([]float32, int) {
	for _, l := range c {
		x, length = l.forward(x, n, length)
	}
	return x, length
}

func (c chain) backward(dy []float32) []float32 {
	for i := len(c) - 1; i >= 0; i-- {
		dy = c[i].backward(dy)
	}
	return dy
}

// conv is a convolution over time: y[t] = b + sum over k of W_k x[t stride + k - pad], zeros beyond the ends;
// transposed it scatters, y[s stride + k - pad] += W_k x[s]. The published kernels are of two dimensions over sequences
// of width one: of their columns only the middle one meets anything but zeros.
type conv struct {
	w, b                             *nn.Param
	in, out, kernel, columns, middle int
	stride, pad                      int
	transposed                       bool

	x, y, dx     []float32
	n, from, len int
}

// params makes or finds parameters by name.
type params func(name string, start nn.Start, shape ...int) *nn.Param

// newConv has kernels [kernel, columns], where columns is 1 or the kernel's own height.
func newConv(get params, name string, in, out, kernel, columns, stride, pad int) *conv {
	start := nn.Uniform(1 / math.Sqrt(float64(in*kernel*columns)))
	return &conv{
		w: get(name+".weight", start, out, in, kernel, columns), b: get(name+".bias", start, out),
		in: in, out: out, kernel: kernel, columns: columns, middle: columns / 2, stride: stride, pad: pad,
	}
}

// newTransposed doubles the length.
func newTransposed(get params, name string, width int) *conv {
	c := newConv(get, name, width, width, 3, 1, 2, 1)
	c.transposed = true
	return c
}

// weight is where the kernel from channel i to channel o begins.
func (c *conv) weight(i, o int) int {
	if c.transposed { // as PyTorch stores it
		i, o = o, i
	}
	return (o*c.in + i) * c.kernel * c.columns
}

func (c *conv) forward(x []float32, n, length int) ([]float32, int) {
	c.x, c.n, c.from = x, n, length
	switch {
	case c.transposed:
		c.len = length * c.stride
	case c.stride == 2:
		c.len = length / 2
	default:
		c.len = length
	}
	c.y = resize(c.y, n*c.out*c.len)
	for s := range n {
		for o := range c.out {
			row := c.y[(s*c.out+o)*c.len:][:c.len]
			for t := range row {
				row[t] = c.b.Data[o]
			}
			for i := range c.in {
				c.add(row, x[(s*c.in+i)*length:][:length], c.w.Data[c.weight(i, o):])
			}
		}
	}
	return c.y, c.len
}

// add adds the kernel's part of one channel to a row of another.
func (c *conv) add(row, x, w []float32) {
	for k := range c.kernel {
		v := w[k*c.columns+c.middle]
		c.meet(k, func(near, far int) { row[near] += v * x[far] })
	}
}

// meet visits the pairs (of the output, of the input) that element k of the kernel joins.
func (c *conv) meet(k int, visit func(out, in int)) {
	if c.transposed {
		for s := range c.from {
			if t := s*c.stride + k - c.pad; t >= 0 && t < c.len {
				visit(t, s)
			}
		}
		return
	}
	for t := range c.len {
		if s := t*c.stride + k - c.pad; s >= 0 && s < c.from {
			visit(t, s)
		}
	}
}

func (c *conv) backward(dy []float32) []float32 {
	c.dx = resize(c.dx, c.n*c.in*c.from)
	clear(c.dx)
	for s := range c.n {
		for o := range c.out {
			g := dy[(s*c.out+o)*c.len:][:c.len]
			for _, v := range g {
				c.b.Grad[o] += v
			}
			for i := range c.in {
				x, d := c.x[(s*c.in+i)*c.from:][:c.from], c.dx[(s*c.in+i)*c.from:][:c.from]
				at := c.weight(i, o)
				for k := range c.kernel {
					j := at + k*c.columns + c.middle
					w, sum := c.w.Data[j], float32(0)
					c.meet(k, func(t, s int) {
						sum += g[t] * x[s]
						d[s] += w * g[t]
					})
					c.w.Grad[j] += sum
				}
			}
		}
	}
	return c.dx
}

// normEps is added to variances, as published.
const normEps = 1e-6

// norm normalises all of a sequence to mean 0 and variance 1, then scales and shifts every channel.
type norm struct {
	w, b             *nn.Param
	hat, y, dx, rstd []float32
	n, length        int
}

func newNorm(get params, name string, channels int) *norm {
	return &norm{w: get(name+".weight", nn.Constant(1), channels), b: get(name+".bias", nil, channels)}
}

func (m *norm) forward(x []float32, n, length int) ([]float32, int) {
	m.n, m.length = n, length
	size := len(m.w.Data) * length
	m.hat, m.y, m.rstd = resize(m.hat, n*size), resize(m.y, n*size), resize(m.rstd, n)
	for s := range n {
		m.rstd[s] = standardise(m.hat[s*size:(s+1)*size], x[s*size:(s+1)*size])
		for j, v := range m.hat[s*size : (s+1)*size] {
			c := j / length
			m.y[s*size+j] = v*m.w.Data[c] + m.b.Data[c]
		}
	}
	return m.y, length
}

// standardise writes x with mean 0 and variance 1, and returns what it was divided by, inverted.
func standardise(dst, x []float32) float32 {
	var mean, square float64
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	r := 1 / math.Sqrt(square/float64(len(x))+normEps)
	for j, v := range x {
		dst[j] = float32((float64(v) - mean) * r)
	}
	return float32(r)
}

// standardiseGrad turns the gradient g of hat into that of the input.
func standardiseGrad(dst, g, hat []float32, r float32) {
	var sum, dot float64
	for j, v := range g {
		sum += float64(v)
		dot += float64(v) * float64(hat[j])
	}
	n := float64(len(g))
	for j, v := range g {
		dst[j] = float32(float64(r) * (float64(v) - sum/n - float64(hat[j])*dot/n))
	}
}

func (m *norm) backward(dy []float32) []float32 {
	size := len(m.w.Data) * m.length
	m.dx = resize(m.dx, m.n*size)
	for s := range m.n {
		g, hat := m.dx[s*size:(s+1)*size], m.hat[s*size:(s+1)*size]
		for j, v := range dy[s*size : (s+1)*size] {
			c := j / m.length
			m.w.Grad[c] += v * hat[j]
			m.b.Grad[c] += v
			g[j] = v * m.w.Data[c]
		}
		standardiseGrad(g, g, hat, m.rstd[s])
	}
	return m.dx
}

// pointwise applies a function to every number.
type pointwise struct {
	f    nn.Activation
	y, d []float32
}

func newSiLU() *pointwise { return &pointwise{f: nn.SiLU} }

func (a *pointwise) forward(x []float32, n, length int) ([]float32, int) {
	a.y, a.d = resize(a.y, len(x)), resize(a.d, len(x))
	a.f(a.y, a.d, x)
	return a.y, length
}

func (a *pointwise) backward(dy []float32) []float32 {
	for i, v := range dy[:len(a.d)] {
		a.d[i] *= v
	}
	return a.d
}

// resBlock is two times norm, SiLU and convolution, beside a way around.
type resBlock struct {
	in     chain
	around *conv // nil: identity
	y, dx  []float32
}

func newResBlock(get params, name string, in, out int) *resBlock {
	b := &resBlock{in: chain{
		newNorm(get, name+".norm1", in), newSiLU(), newConv(get, name+".conv1", in, out, 3, 1, 1, 1),
		newNorm(get, name+".norm2", out), newSiLU(), newConv(get, name+".conv2", out, out, 3, 1, 1, 1),
	}}
	if in != out {
		b.around = newConv(get, name+".nin_shortcut", in, out, 1, 1, 1, 0)
	}
	return b
}

func (b *resBlock) forward(x []float32, n, length int) ([]float32, int) {
	y, _ := b.in.forward(x, n, length)
	if b.around != nil {
		x, _ = b.around.forward(x, n, length)
	}
	b.y = resize(b.y, len(y))
	for i, v := range y {
		b.y[i] = v + x[i]
	}
	return b.y, length
}

func (b *resBlock) backward(dy []float32) []float32 {
	g := dy
	if b.around != nil {
		g = b.around.backward(dy)
	}
	through := b.in.backward(dy)
	b.dx = resize(b.dx, len(through))
	for i, v := range through {
		b.dx[i] = v + g[i]
	}
	return b.dx
}

func resize(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}
