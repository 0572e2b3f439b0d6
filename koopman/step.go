package koopman

import "korr/internal/nn"

// LiftBatch writes the lifts of n observations obs [n, D] into the rows of z [n, L], in the scratch of t.
func (m *Model) LiftBatch(t *Tape, z, obs []float32, n int) {
	d, raw, l := m.cfg.ObsDim, m.cfg.raw(), m.cfg.LatentDim
	lifted := m.Phi.Forward(t.phi, obs, n)
	for i := range n {
		row := z[i*l : (i+1)*l]
		copy(row[:raw], obs[i*d:])
		copy(row[raw:], lifted[i*(l-raw):(i+1)*(l-raw)])
	}
}

// StepBatch writes the next latents of n latents z [n, L] under the actions us [n, U] into the rows of next [n, L],
// which must overlap neither, in the scratch of t.
func (m *Model) StepBatch(t *Tape, next, z, us []float32, n int) {
	nn.MatMulT(next, us, m.B.Data, n, m.cfg.ActDim, m.cfg.LatentDim, 0)
	m.advance(next, z, us, t.gz, n)
}

// advance adds A z, of a bilinear model (A + g N) z, to the rows of next [n, L]. It leaves g z in gz [n, L], which a
// linear model does not need.
func (m *Model) advance(next, z, us, gz []float32, n int) {
	l, u := m.cfg.LatentDim, m.cfg.ActDim
	nn.MatMulT(next, z, m.A.Data, n, l, l, 1)
	if m.N == nil {
		return
	}
	for i := range n {
		scaleTo(gz[i*l:(i+1)*l], gripper(us[i*u:(i+1)*u]), z[i*l:])
	}
	nn.MatMulT(next, gz, m.N.Data, n, l, l, 1)
}

// At returns the linear model that a bilinear one is while the gripper is commanded to g, a copy; of a linear model a
// clone.
func (m *Model) At(g float32) *Model {
	cfg := m.cfg
	cfg.Bilinear = false
	c, err := New(cfg, nil)
	if err != nil {
		panic(err) // m.cfg made m
	}
	nn.CopyParams(c.params, m.params[:len(c.params)]) // N comes last
	if m.N != nil {
		for i, v := range m.N.Data {
			c.A.Data[i] += g * v
		}
	}
	c.Innovation = m.Innovation
	return c
}
