package nn

// ConvTranspose1d is the transpose of a convolution over time, channels last:
// x [n, length, In] to y [n, OutLen(length), Out], where row t of x adds W_k x_t
// to row t Stride - Pad + k of y. W lies as [In, Kernel, Out] and is saved as
// PyTorch's [In, Out, Kernel].
type ConvTranspose1d struct {
	In, Out, Kernel, Stride, Pad int
	W, B                         *Param
}

// NewConvTranspose1d adds name+".weight" and name+".bias" to b, which start as
// in PyTorch.
func NewConvTranspose1d(b *Builder, name string, in, out, kernel, stride, pad int) *ConvTranspose1d {
	s := torchStart(out * kernel) // PyTorch counts the fan-in of the transpose
	c := &ConvTranspose1d{In: in, Out: out, Kernel: kernel, Stride: stride, Pad: pad, W: b.Add(name+".weight", s, in, out,
		kernel)}
	c.W.Taps = kernel
	c.B = b.Add(name+".bias", s, out)
	return c
}

// OutLen is the length that the layer makes of length.
func (c *ConvTranspose1d) OutLen(length int) int { return (length-1)*c.Stride - 2*c.Pad + c.Kernel }

// ConvTranspose1dPass holds one batch through a ConvTranspose1d.
type ConvTranspose1dPass struct {
	c        *ConvTranspose1d
	ws       *Workspace
	n        int
	len, out int // of x and y
	x        []float32
	y, dx    []float32
}

// NewPass returns a pass for batches of up to maxBatch sequences of length.
func (c *ConvTranspose1d) NewPass(maxBatch, length int, ws *Workspace) *ConvTranspose1dPass {
	p := &ConvTranspose1dPass{c: c, ws: ws, len: length, out: c.OutLen(length)}
	p.y = make([]float32, maxBatch*p.out*c.Out)
	return p
}

// Forward returns y, which belongs to the pass; x must not change before Backward.
func (p *ConvTranspose1dPass) Forward(x []float32, n int) []float32 {
	c := p.c
	p.n, p.x = n, x[:n*p.len*c.In]
	y := p.y[:n*p.out*c.Out]
	fill(y, c.B.Data)
	cols := p.columns()
	MatMul(cols, p.x, c.W.Data, n*p.len, c.In, c.Kernel*c.Out, 0)
	kernels.Fold(y, cols, Folding{n, p.out, p.len, c.Out, c.Kernel, c.Stride, c.Pad})
	return y
}

// columns is what every input adds to y [n*len, Kernel*Out].
func (p *ConvTranspose1dPass) columns() []float32 {
	return grow(&p.ws.cols, p.n*p.len*p.c.Kernel*p.c.Out)
}

// Backward adds the parameters' gradients for dy and returns that of x, which
// belongs to the pass.
func (p *ConvTranspose1dPass) Backward(dy []float32) []float32 {
	c := p.c
	rows, width := p.n*p.len, c.Kernel*c.Out
	dy = dy[:p.n*p.out*c.Out]
	kernels.AddColumnSums(c.B.Grad, dy)
	cols := p.columns()
	unfold(cols, dy, p.n, p.out, p.len, c.Out, c.Kernel, c.Stride, c.Pad)
	MatTMul(c.W.Grad, p.x, cols, c.In, rows, width, 1)
	dx := grow(&p.dx, rows*c.In)
	MatMulT(dx, cols, c.W.Data, rows, width, c.In, 0)
	return dx
}
