package diffusion

import "korr/internal/nn"

// stepEncoder embeds the diffusion step: sinusoids, then two linear maps.
type stepEncoder struct {
	dim     int
	in, out *nn.Linear
}

func newStepEncoder(b *nn.Builder, dim int) *stepEncoder {
	const name = "diffusion_step_encoder."
	return &stepEncoder{dim: dim, in: nn.NewLinear(b, name+"1", dim, 4*dim), out: nn.NewLinear(b, name+"3", 4*dim, dim)}
}

// work counts the multiplications for one chunk.
func (e *stepEncoder) work() int { return 8 * e.dim * e.dim }

type stepPass struct {
	dim     int
	waves   []float32
	in, out *nn.LinearPass
	act     *nn.ActivationPass
}

func (e *stepEncoder) newPass(maxBatch int) *stepPass {
	return &stepPass{
		dim: e.dim, waves: make([]float32, maxBatch*e.dim), in: e.in.NewPass(maxBatch), out: e.out.NewPass(maxBatch),
		act: nn.Activation(nn.Mish).NewPass(4 * maxBatch * e.dim),
	}
}

func (p *stepPass) forward(steps []int, n int) []float32 {
	for i, k := range steps[:n] {
		nn.SinusoidalTo(p.waves[i*p.dim:(i+1)*p.dim], float32(k))
	}
	return p.out.Forward(p.act.Forward(p.in.Forward(p.waves, n)), n)
}

func (p *stepPass) backward(dy []float32) {
	p.in.BackwardParams(p.act.Backward(p.out.Backward(dy)))
}

// joinRows writes the rows of a [n, wa] and b [n, wb] side by side to dst.
func joinRows(dst, a, b []float32, n, wa, wb int) {
	w := wa + wb
	for i := range n {
		copy(dst[i*w:i*w+wa], a[i*wa:])
		copy(dst[i*w+wa:(i+1)*w], b[i*wb:(i+1)*wb])
	}
}

// splitRows is the inverse of joinRows; a destination may be nil.
func splitRows(a, b, src []float32, n, wa, wb int) {
	w := wa + wb
	for i := range n {
		if a != nil {
			copy(a[i*wa:(i+1)*wa], src[i*w:])
		}
		if b != nil {
			copy(b[i*wb:(i+1)*wb], src[i*w+wa:])
		}
	}
}
