package koopman

import (
	"fmt"

	"korr/internal/nn"
)

// Folded is a model and the head that reads its one-step prediction, with the
// linear maps between them multiplied out. With W the last layer of phi, h its
// last hidden layer and V, b the first layer of the head, the sums
//
//	V (A [o; W h] + B u) + b = V A_o o + (V A_phi W) h + (V B) u + b
//
// cost one product instead of four; o is there for a state-inclusive lift only.
// It is a copy: a model or a head trained further needs a new one. Reading it is
// safe from several goroutines, each with its own FoldedPredictor.
type Folded struct {
	model *Model
	head  *nn.MLP
	first []float32 // [P, raw+H+U]
	bias  []float32 // [P]
	width int       // raw+H+U
}

// Fold multiplies out what lies between the lift and the head's first
// activation. The error wraps ErrConfig when the head does not read the latent.
func (m *Model) Fold(head *nn.MLP) (*Folded, error) {
	l, u, raw := m.cfg.LatentDim, m.cfg.ActDim, m.cfg.raw()
	if m.N != nil {
		return nil, fmt.Errorf("%w: a bilinear model's map to the head depends on the action and does not fold", ErrConfig)
	}
	if head.In() != l {
		return nil, fmt.Errorf("%w: a head that reads %d values after a model of %d", ErrConfig, head.In(), l)
	}
	v := head.Params()[0]
	phi := m.Phi.Params()
	last := phi[len(phi)-1] // [L-raw, H]: a lift's last layer has no bias
	p, h := v.Shape[0], last.Shape[1]
	f := &Folded{model: m, head: head, width: raw + h + u, bias: make([]float32, p)}
	if ps := head.Params(); len(ps) > 1 && len(ps[1].Shape) == 1 {
		copy(f.bias, ps[1].Data)
	}
	va, vb := make([]float32, p*l), make([]float32, p*u)
	nn.MatMul(va, v.Data, m.A.Data, p, l, l, 0)
	nn.MatMul(vb, v.Data, m.B.Data, p, l, u, 0)
	lifted, vaw := make([]float32, p*(l-raw)), make([]float32, p*h)
	for i := range p {
		copy(lifted[i*(l-raw):(i+1)*(l-raw)], va[i*l+raw:])
	}
	nn.MatMul(vaw, lifted, last.Data, p, l-raw, h, 0)
	f.first = make([]float32, p*f.width)
	for i := range p {
		row := f.first[i*f.width : (i+1)*f.width]
		copy(row[:raw], va[i*l:])
		copy(row[raw:], vaw[i*h:(i+1)*h])
		copy(row[raw+h:], vb[i*u:(i+1)*u])
	}
	return f, nil
}

// Predictor returns a predictor with scratch of its own.
func (f *Folded) Predictor() *FoldedPredictor {
	return &FoldedPredictor{
		Predictor: f.model.Predictor(), f: f, pi: f.head.Evaluator(),
		in: make([]float32, f.width), sums: make([]float32, len(f.bias)),
	}
}

// FoldedPredictor is a Predictor that also computes the head, for one goroutine
// at a time. It allocates nothing.
type FoldedPredictor struct {
	*Predictor
	f        *Folded
	pi       *nn.Evaluator
	in, sums []float32
}

// Observe runs phi's hidden layers on obs [D], for HeadTo.
func (p *FoldedPredictor) Observe(obs []float32) {
	raw, u := p.m.cfg.raw(), p.m.cfg.ActDim
	copy(p.in[:raw], obs[:raw])
	copy(p.in[raw:p.f.width-u], p.phi.Hidden(obs))
}

// LiftTo is Observe, and writes the lift of obs into z [L].
func (p *FoldedPredictor) LiftTo(z, obs []float32) {
	p.Observe(obs)
	raw, u := p.m.cfg.raw(), p.m.cfg.ActDim
	copy(z[:raw], obs[:raw])
	p.phi.LastTo(z[raw:p.m.cfg.LatentDim], p.in[raw:p.f.width-u])
}

// HeadTo writes what the head makes of the prediction under u [U] from the last
// observation into dst. It reports whether the prediction was finite, which a
// ReLU may hide.
func (p *FoldedPredictor) HeadTo(dst, u []float32) (finite bool) {
	ud := p.m.cfg.ActDim
	copy(p.in[p.f.width-ud:], u[:ud])
	nn.Dense(p.sums, p.f.first, p.f.bias, p.in, false)
	zero := float32(0)
	for _, v := range p.sums {
		zero += v - v
	}
	p.pi.AfterFirstTo(dst, p.sums)
	return zero == 0
}
