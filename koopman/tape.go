package koopman

import (
	"fmt"

	"korr/internal/nn"
)

// Tape holds one batch of predictions between the forward and the backward
// pass. One goroutine uses it at a time; a new forward pass on it ends the
// previous one.
type Tape struct {
	max, steps int // capacity
	n, h       int // of the last forward pass
	phi        *nn.Tape
	obs        []float32 // [(h+1) n, D] lifted by a loss, time-major
	us         []float32 // [h n, U] of the last forward pass
	lifted     []float32 // phi's outputs for the rows lifted
	states     []float32 // [(h+1) n, L]: z_0, then predictions
	grads      []float32 // [h n, L] by the predictions
	first      []float32 // [n, L] gradient by z_0
	gz         []float32 // [h n, L] g z of a bilinear model
	dgz        []float32 // [n, L] gradient by one step of them
	dphi       []float32 // [(h+1) n, L-raw]
}

// NewTape returns a tape for batches of up to maxBatch windows of up to steps
// predicted steps.
func (m *Model) NewTape(maxBatch, steps int) *Tape {
	if maxBatch < 1 || steps < 1 {
		panic(fmt.Sprintf("koopman: NewTape(%d, %d)", maxBatch, steps))
	}
	rows, l := maxBatch*(steps+1), m.cfg.LatentDim
	t := &Tape{
		max: maxBatch, steps: steps,
		phi:    m.Phi.NewTape(rows),
		obs:    make([]float32, rows*m.cfg.ObsDim),
		states: make([]float32, rows*l),
		grads:  make([]float32, maxBatch*steps*l),
		first:  make([]float32, maxBatch*l),
		dphi:   make([]float32, rows*m.Phi.Out()),
	}
	if m.N != nil {
		t.gz, t.dgz = make([]float32, maxBatch*steps*l), make([]float32, maxBatch*l)
	}
	return t
}

func (m *Model) fit(t *Tape, obs, us []float32, n, steps int) {
	if n < 1 || n > t.max || steps < 1 || steps > t.steps || len(obs) < n*m.cfg.ObsDim || len(us) < n*steps*m.cfg.ActDim {
		panic(fmt.Sprintf("koopman: %d windows of %d steps (obs %d, actions %d elements) on a tape of %d and %d",
			n, steps, len(obs), len(us), t.max, t.steps))
	}
	t.n, t.h, t.us = n, steps, us[:n*steps*m.cfg.ActDim]
}

// lift runs phi over the rows of obs and puts the first n lifted rows into the
// tape's states.
func (m *Model) lift(t *Tape, obs []float32, rows int) {
	t.lifted = m.Phi.Forward(t.phi, obs, rows)
	d, raw, l := m.cfg.ObsDim, m.cfg.raw(), m.cfg.LatentDim
	for i := range t.n {
		z := t.states[i*l : (i+1)*l]
		copy(z[:raw], obs[i*d:])
		copy(z[raw:], t.lifted[i*(l-raw):(i+1)*(l-raw)])
	}
}

// roll predicts t.h steps from the states' first n rows.
func (m *Model) roll(t *Tape) []float32 {
	l, nl := m.cfg.LatentDim, t.n*m.cfg.LatentDim
	pred := t.states[nl : (t.h+1)*nl]
	nn.MatMulT(pred, t.us, m.B.Data, t.n*t.h, m.cfg.ActDim, l, 0)
	for h := range t.h {
		var gz []float32
		if m.N != nil {
			gz = t.gz[h*nl : (h+1)*nl]
		}
		m.advance(pred[h*nl:(h+1)*nl], t.states[h*nl:(h+1)*nl], t.us[h*t.n*m.cfg.ActDim:], gz, t.n)
	}
	return pred
}

// RolloutBatch lifts n observations obs [n, D] and predicts steps ahead under
// the actions us [steps n, U] (time-major). It returns the latents
// z_1 ... z_steps as [steps n, L], which belong to t until its next forward
// pass. obs and us are kept by reference until the backward pass.
func (m *Model) RolloutBatch(t *Tape, obs, us []float32, n, steps int) []float32 {
	m.fit(t, obs, us, n, steps)
	m.lift(t, obs, n)
	return m.roll(t)
}

// BackwardRollout adds to the parameters' gradients those of a loss whose
// derivatives by RolloutBatch's result are dz [steps n, L], left alone.
func (m *Model) BackwardRollout(t *Tape, dz []float32) {
	copy(t.grads[:t.h*t.n*m.cfg.LatentDim], dz[:t.h*t.n*m.cfg.LatentDim])
	m.backRoll(t)
	raw, p := m.cfg.raw(), m.Phi.Out()
	for i := range t.n {
		copy(t.dphi[i*p:(i+1)*p], t.first[i*m.cfg.LatentDim+raw:])
	}
	m.Phi.Backward(t.phi, t.dphi[:t.n*p], nil)
}

// PredictBatch returns the latents A z + B u one step after obs [n, D] under u
// [n, U] as [n, L]: a RolloutBatch of one step.
func (m *Model) PredictBatch(t *Tape, obs, u []float32, n int) []float32 {
	return m.RolloutBatch(t, obs, u, n, 1)
}

// BackwardPredict is BackwardRollout for PredictBatch: gradients flow into
// phi, A and B.
func (m *Model) BackwardPredict(t *Tape, dz []float32) { m.BackwardRollout(t, dz) }

// backRoll takes the gradients by the predictions in t.grads back through the
// linear steps: g_h += g_h+1 (A + g N), dA += sum g_h+1^T z_h, dB += sum g_h+1^T
// u_h, dN += sum g_h+1^T g z_h. It leaves the gradient by z_0 in t.first.
func (m *Model) backRoll(t *Tape) {
	l, nl, u := m.cfg.LatentDim, t.n*m.cfg.LatentDim, m.cfg.ActDim
	g := t.grads[:t.h*nl]
	clear(t.first[:nl])
	for h := t.h - 1; h >= 0; h-- {
		by := t.first[:nl]
		if h > 0 {
			by = g[(h-1)*nl : h*nl]
		}
		nn.MatMul(by, g[h*nl:(h+1)*nl], m.A.Data, t.n, l, l, 1)
		if m.N == nil {
			continue
		}
		nn.MatMul(t.dgz[:nl], g[h*nl:(h+1)*nl], m.N.Data, t.n, l, l, 0)
		for i := range t.n {
			s := gripper(t.us[(h*t.n+i)*u : (h*t.n+i+1)*u])
			for j, d := range t.dgz[i*l : (i+1)*l] {
				by[i*l+j] += s * d
			}
		}
	}
	if m.N != nil {
		nn.MatTMul(m.N.Grad, g, t.gz[:t.h*nl], l, t.n*t.h, l, 1)
	}
	nn.MatTMul(m.A.Grad, g, t.states[:t.h*nl], l, t.n*t.h, l, 1)
	nn.MatTMul(m.B.Grad, g, t.us, l, t.n*t.h, u, 1)
}
