package koopman

import "korr/internal/nn"

// LiftBatch writes the lifts of n observations obs [n, D] into the rows of z [n, L]. t is a tape of Phi's for at least n rows.
func (m *Model) LiftBatch(t *nn.Tape, z, obs []float32, n int) {
	d, raw, l := m.cfg.ObsDim, m.cfg.raw(), m.cfg.LatentDim
	lifted := m.Phi.Forward(t, obs, n)
	for i := range n {
		row := z[i*l : (i+1)*l]
		copy(row[:raw], obs[i*d:])
		copy(row[raw:], lifted[i*(l-raw):(i+1)*(l-raw)])
	}
}

// StepBatch writes A z + B u for n latents z [n, L] and actions us [n, U] into the rows of next [n, L], which must overlap
// neither.
func (m *Model) StepBatch(next, z, us []float32, n int) {
	l, u := m.cfg.LatentDim, m.cfg.ActDim
	nn.MatMulT(next, us, m.B.Data, n, u, l, 0)
	nn.MatMulT(next, z, m.A.Data, n, l, l, 1)
}
