package nn

// Linear is y = x W^T + b for rows x [n, In], W [Out, In] as PyTorch has it.
type Linear struct {
	In, Out int
	W, B    *Param
}

// NewLinear adds name+".weight" and name+".bias" to b, which start as in
// PyTorch.
func NewLinear(b *Builder, name string, in, out int) *Linear {
	return NewLinearFrom(b, name, in, out, torchStart(in), torchStart(in))
}

// NewLinearFrom is NewLinear with other first values.
func NewLinearFrom(b *Builder, name string, in, out int, w, bias Start) *Linear {
	return &Linear{In: in, Out: out, W: b.Add(name+".weight", w, out, in), B: b.Add(name+".bias", bias, out)}
}

// LinearPass holds one batch through a Linear.
type LinearPass struct {
	l     *Linear
	n     int
	x     []float32
	y, dx []float32
}

// NewPass returns a pass for batches of up to maxRows.
func (l *Linear) NewPass(maxRows int) *LinearPass {
	return &LinearPass{l: l, y: make([]float32, maxRows*l.Out)}
}

// Forward returns y [n, Out]. It belongs to the pass; x must not change before
// Backward.
func (p *LinearPass) Forward(x []float32, n int) []float32 {
	l := p.l
	p.n, p.x = n, x[:n*l.In]
	y := p.y[:n*l.Out]
	fill(y, l.B.Data)
	productT(y, p.x, l.W.Data, n, l.In, l.Out)
	return y
}

// Backward adds the parameters' gradients for dy [n, Out] and returns that of
// x, which belongs to the pass.
func (p *LinearPass) Backward(dy []float32) []float32 {
	p.BackwardParams(dy)
	l := p.l
	dx := grow(&p.dx, p.n*l.In)
	MatMul(dx, dy[:p.n*l.Out], l.W.Data, p.n, l.Out, l.In, 0)
	return dx
}

// BackwardParams is Backward for an input whose gradient nobody needs.
func (p *LinearPass) BackwardParams(dy []float32) {
	l := p.l
	dy = dy[:p.n*l.Out]
	MatTMul(l.W.Grad, dy, p.x, l.Out, p.n, l.In, 1)
	kernels.AddColumnSums(l.B.Grad, dy)
}

// productT adds a b^T to dst, for a [m, k], b [n, k]: MatMulT with beta 1, by
// the shape's fastest way. Few rows against many weights are a matter of
// memory, which a packing product reads and writes several times.
func productT(dst, a, b []float32, m, k, n int) {
	switch {
	case m == 1:
		MatVec(dst, b, a, n, k, 1)
	case m <= thin && kernels.ThinProduct != nil:
		kernels.ThinProduct(dst, a, b, m, k, n)
	default:
		MatMulT(dst, a, b, m, k, n, 1)
	}
}

// thin is the number of rows up to which ThinProduct beats a packing product.
const thin = 32
