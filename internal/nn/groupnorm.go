package nn

// GroupNorm normalises every group of channels of a sequence x [rows, Channels]
// over its rows to mean 0 and variance 1 (eps 1e-5), then scales and shifts
// every channel (Wu and He 2018, arXiv 1803.08494). One row and one group is
// layer norm (Ba et al. 2016, arXiv 1607.06450).
type GroupNorm struct {
	Groups, Channels int
	W, B             *Param // nil without affine parameters
}

// NewGroupNorm adds name+".weight", which starts at one, and name+".bias".
func NewGroupNorm(b *Builder, name string, groups, channels int) *GroupNorm {
	return &GroupNorm{
		Groups: groups, Channels: channels,
		W: b.Add(name+".weight", Constant(1), channels), B: b.Add(name+".bias", nil, channels),
	}
}

// NewLayerNorm is a GroupNorm for single rows, without parameters.
func NewLayerNorm(channels int) *GroupNorm { return &GroupNorm{Groups: 1, Channels: channels} }

// GroupNormPass holds one batch through a GroupNorm.
type GroupNormPass struct {
	g            *GroupNorm
	n, rows      int
	hat, rstd, y []float32
}

// NewPass returns a pass for batches of up to maxBatch sequences of so many
// rows; 1 for layer norm.
func (g *GroupNorm) NewPass(maxBatch, rows int) *GroupNormPass {
	p := &GroupNormPass{
		g: g, rows: rows, hat: make([]float32, maxBatch*rows*g.Channels),
		rstd: make([]float32, maxBatch*g.Groups),
	}
	p.y = p.hat
	if g.W != nil {
		p.y = make([]float32, len(p.hat))
	}
	return p
}

// Forward returns y, which belongs to the pass.
func (p *GroupNormPass) Forward(x []float32, n int) []float32 {
	g := p.g
	p.n = n
	k := n * p.rows * g.Channels
	copy(p.hat[:k], x[:k])
	kernels.GroupNorm(p.hat[:k], p.rstd[:n*g.Groups], p.rows, g.Channels)
	if g.W != nil {
		kernels.Affine(p.y[:k], p.hat[:k], g.W.Data, g.B.Data)
	}
	return p.y[:k]
}

// Backward adds the parameters' gradients for dy and turns dy into the gradient
// of x, which it returns.
func (p *GroupNormPass) Backward(dy []float32) []float32 {
	g := p.g
	k := p.n * p.rows * g.Channels
	dy = dy[:k]
	if g.W != nil {
		kernels.AffineGrad(dy, p.hat[:k], g.W.Data, g.W.Grad, g.B.Grad)
	}
	kernels.GroupNormGrad(dy, p.hat[:k], p.rstd[:p.n*g.Groups], p.rows, g.Channels)
	return dy
}
