package diffusion

import (
	"fmt"
	"math"

	"korr/internal/nn"
)

// mlp is a residual multilayer perceptron: [x, step embedding, observation] to
// Width, then Blocks times h += W_2 mish(W_1 norm(h)), then norm and a linear map
// to the chunk, which starts at zero.
type mlp struct {
	cfg    Config
	step   *stepEncoder
	in     *nn.Linear
	blocks []mlpBlock
	norm   *nn.GroupNorm
	out    *nn.Linear
}

type mlpBlock struct {
	norm *nn.GroupNorm
	a, b *nn.Linear
}

func newMLP(cfg Config, b *nn.Builder) *mlp {
	m := &mlp{cfg: cfg, step: newStepEncoder(b, cfg.StepDim)}
	chunk, w := cfg.Horizon*cfg.ActDim, cfg.Width
	he := func(in int) nn.Start { return nn.Normal(math.Sqrt(2 / float64(in))) }
	in := chunk + cfg.StepDim + cfg.ObsDim
	m.in = nn.NewLinearFrom(b, "input", in, w, nn.Normal(math.Sqrt(1/float64(in))), nil)
	for i := range cfg.Blocks {
		name := fmt.Sprintf("blocks.%d.", i)
		m.blocks = append(m.blocks, mlpBlock{
			norm: nn.NewGroupNorm(b, name+"norm", 1, w),
			a:    nn.NewLinearFrom(b, name+"0", w, 2*w, he(w), nil),
			b:    nn.NewLinearFrom(b, name+"1", 2*w, w, nn.Normal(math.Sqrt(1/float64(2*w*cfg.Blocks))), nil),
		})
	}
	m.norm = nn.NewGroupNorm(b, "norm", 1, w)
	m.out = nn.NewLinearFrom(b, "output", w, chunk, nil, nil)
	return m
}

type mlpBlockPass struct {
	norm *nn.GroupNormPass
	a, b *nn.LinearPass
	act  *nn.ActivationPass
}

type mlpPass struct {
	m       *mlp
	n       int
	step    *stepPass
	x       []float32 // input of the first map
	in, out *nn.LinearPass
	blocks  []mlpBlockPass
	norm    *nn.GroupNormPass
	demb    []float32
	last    []float32 // what the last block read
}

func (m *mlp) steps() *stepEncoder { return m.step }

func (m *mlp) newPass(maxBatch int) Pass {
	w := m.cfg.Width
	p := &mlpPass{
		m: m, step: m.step.newPass(maxBatch), x: make([]float32, maxBatch*m.in.In),
		in: m.in.NewPass(maxBatch), norm: m.norm.NewPass(maxBatch, 1), out: m.out.NewPass(maxBatch),
	}
	for _, b := range m.blocks {
		p.blocks = append(p.blocks, mlpBlockPass{
			b.norm.NewPass(maxBatch, 1), b.a.NewPass(maxBatch),
			b.b.NewPass(maxBatch), nn.Activation(nn.Mish).NewPass(maxBatch * 2 * w),
		})
	}
	return p
}

func (p *mlpPass) Forward(x, cond []float32, steps []int, n int) []float32 {
	cfg := &p.m.cfg
	p.n = n
	chunk, in := cfg.Horizon*cfg.ActDim, p.m.in.In
	emb := p.step.forward(steps, n)
	for i := range n {
		row := p.x[i*in : (i+1)*in]
		copy(row, x[i*chunk:(i+1)*chunk])
		copy(row[chunk:], emb[i*cfg.StepDim:(i+1)*cfg.StepDim])
		copy(row[chunk+cfg.StepDim:], cond[i*cfg.ObsDim:(i+1)*cfg.ObsDim])
	}
	h := p.in.Forward(p.x, n)
	for i := range p.blocks[:len(p.blocks)-1] {
		h = p.blocks[i].forward(h, n)
	}
	p.last = h
	return p.tail(h, nil, nil, n)
}

func (b *mlpBlockPass) forward(h []float32, n int) []float32 {
	y := b.b.Forward(b.act.Forward(b.a.Forward(b.norm.Forward(h, n), n)), n)
	add(y, h)
	return y
}

func (p *mlpPass) tailDim() int         { return p.m.cfg.Width }
func (p *mlpPass) tailInput() []float32 { return p.last }

// tailShare counts weights: each is used once.
func (p *mlpPass) tailShare() float64 {
	cfg := &p.m.cfg
	block, out := 4*cfg.Width*cfg.Width, cfg.Width*cfg.Horizon*cfg.ActDim
	return float64(block+out) / float64(p.m.step.work()+p.m.in.In*cfg.Width+cfg.Blocks*block+out)
}

func (p *mlpPass) tail(h, _ []float32, _ []int, n int) []float32 {
	h = p.blocks[len(p.blocks)-1].forward(h, n)
	return p.out.Forward(p.norm.Forward(h, n), n)
}

func (p *mlpPass) Backward(dy []float32) {
	cfg := &p.m.cfg
	g := p.norm.Backward(p.out.Backward(dy))
	for i := len(p.blocks) - 1; i >= 0; i-- {
		b := &p.blocks[i]
		d := b.norm.Backward(b.a.Backward(b.act.Backward(b.b.Backward(g))))
		add(d, g)
		g = d
	}
	dx := p.in.Backward(g)
	p.demb = resize(p.demb, p.n*cfg.StepDim)
	in, chunk := p.m.in.In, cfg.Horizon*cfg.ActDim
	for i := range p.n {
		copy(p.demb[i*cfg.StepDim:(i+1)*cfg.StepDim], dx[i*in+chunk:])
	}
	p.step.backward(p.demb)
}
