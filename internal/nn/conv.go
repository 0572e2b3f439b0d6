package nn

// Conv1d is a convolution over time, channels last: x [n, length, In] to
// y [n, OutLen(length), Out],
//
//	y_t = b + sum over k of W_k x_(t Stride - Pad + k),
//
// zero beyond the ends. W lies as [Out, Kernel, In], so that the inputs under a
// kernel are neighbours, and is saved as PyTorch's [Out, In, Kernel].
type Conv1d struct {
	In, Out, Kernel, Stride, Pad int
	W, B                         *Param
}

// NewConv1d adds name+".weight" and name+".bias" to b, which start as in
// PyTorch.
func NewConv1d(b *Builder, name string, in, out, kernel, stride, pad int) *Conv1d {
	s := torchStart(in * kernel)
	c := &Conv1d{In: in, Out: out, Kernel: kernel, Stride: stride, Pad: pad, W: b.Add(name+".weight", s, out, in, kernel)}
	c.W.Taps = kernel
	c.B = b.Add(name+".bias", s, out)
	return c
}

// OutLen is the length that the convolution makes of length.
func (c *Conv1d) OutLen(length int) int { return (length+2*c.Pad-c.Kernel)/c.Stride + 1 }

// pointwise: every output reads its own input only.
func (c *Conv1d) pointwise() bool { return c.Kernel == 1 && c.Stride == 1 && c.Pad == 0 }

// Conv1dPass holds one batch through a Conv1d.
type Conv1dPass struct {
	c        *Conv1d
	ws       *Workspace
	n        int
	len, out int // of x and y
	x        []float32
	y, dx    []float32
}

// NewPass returns a pass for batches of up to maxBatch sequences of length.
func (c *Conv1d) NewPass(maxBatch, length int, ws *Workspace) *Conv1dPass {
	p := &Conv1dPass{c: c, ws: ws, len: length, out: c.OutLen(length)}
	p.y = make([]float32, maxBatch*p.out*c.Out)
	return p
}

// Forward returns y, which belongs to the pass; x must not change before Backward.
func (p *Conv1dPass) Forward(x []float32, n int) []float32 {
	c := p.c
	p.n, p.x = n, x[:n*p.len*c.In]
	y := p.y[:n*p.out*c.Out]
	fill(y, c.B.Data)
	productT(y, p.columns(), c.W.Data, n*p.out, c.Kernel*c.In, c.Out)
	return y
}

// columns are the inputs under the kernel at every output [n*out, Kernel*In].
func (p *Conv1dPass) columns() []float32 {
	c := p.c
	if c.pointwise() {
		return p.x
	}
	cols := grow(&p.ws.cols, p.n*p.out*c.Kernel*c.In)
	unfold(cols, p.x, p.n, p.len, p.out, c.In, c.Kernel, c.Stride, c.Pad)
	return cols
}

// Backward adds the parameters' gradients for dy and returns that of x, which
// belongs to the pass.
func (p *Conv1dPass) Backward(dy []float32) []float32 {
	p.BackwardParams(dy)
	c := p.c
	rows, width := p.n*p.out, c.Kernel*c.In
	dx := grow(&p.dx, p.n*p.len*c.In)
	if c.pointwise() {
		MatMul(dx, dy[:rows*c.Out], c.W.Data, rows, c.Out, width, 0)
		return dx
	}
	cols := grow(&p.ws.cols, rows*width)
	MatMul(cols, dy[:rows*c.Out], c.W.Data, rows, c.Out, width, 0)
	clear(dx)
	kernels.Fold(dx, cols, Folding{p.n, p.len, p.out, c.In, c.Kernel, c.Stride, c.Pad})
	return dx
}

// BackwardParams is Backward for an input whose gradient nobody needs.
func (p *Conv1dPass) BackwardParams(dy []float32) {
	c := p.c
	rows := p.n * p.out
	dy = dy[:rows*c.Out]
	MatTMul(c.W.Grad, dy, p.columns(), c.Out, rows, c.Kernel*c.In, 1)
	kernels.AddColumnSums(c.B.Grad, dy)
}

// unfold copies to row t of every sequence's cols [out, taps*width] the rows
// t*stride-pad .. +taps of its x [length, width], zeros beyond the ends.
func unfold(cols, x []float32, n, length, out, width, taps, stride, pad int) {
	for i := range n {
		seq := x[i*length*width : (i+1)*length*width]
		for t := range out {
			row := cols[:taps*width]
			cols = cols[taps*width:]
			from := t*stride - pad
			lo, hi := max(0, -from), min(taps, length-from)
			clear(row[:lo*width])
			copy(row[lo*width:hi*width], seq[(from+lo)*width:])
			clear(row[hi*width:])
		}
	}
}

// fold is the transpose of unfold: it adds the rows of cols to where they came
// from.
func fold(x, cols []float32, f Folding) {
	for i := range f.N {
		seq := x[i*f.Len*f.Width : (i+1)*f.Len*f.Width]
		for t := range f.Out {
			row := cols[:f.Taps*f.Width]
			cols = cols[f.Taps*f.Width:]
			from := t*f.Stride - f.Pad
			lo, hi := max(0, -from), min(f.Taps, f.Len-from)
			row = row[lo*f.Width : hi*f.Width]
			dst := seq[(from+lo)*f.Width:][:len(row)]
			for j, v := range row {
				dst[j] += v
			}
		}
	}
}
