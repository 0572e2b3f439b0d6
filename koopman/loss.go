package koopman

import "fmt"

// LatentLoss computes the one-step consistency loss of n transitions, obs
// [n, D], executed actions u [n, U], next [n, D], and adds weight times its
// gradients to the parameters'. It returns the unweighted loss. Pairs that
// cross a reset must not be among them.
//
// Without the state-inclusive lift this is the published loss,
// MSE(A phi(o) + B u, phi(o')).
func (m *Model) LatentLoss(t *Tape, obs, u, next []float32, n int, weight float32) float32 {
	d := m.cfg.ObsDim
	if len(next) < n*d {
		panic(fmt.Sprintf("koopman: LatentLoss: %d rows, next of %d elements", n, len(next)))
	}
	m.fit(t, obs, u, n, 1)
	copy(t.obs[:n*d], obs)
	copy(t.obs[n*d:2*n*d], next)
	return m.windowLoss(t, t.obs[:2*n*d], weight)
}

// WindowLoss is LatentLoss over several steps: obs [(steps+1) n, D] and us
// [steps n, U] are time-major windows; the prediction runs open loop from the
// first observation. obs is kept by reference during the call only.
func (m *Model) WindowLoss(t *Tape, obs, us []float32, n, steps int, weight float32) float32 {
	m.fit(t, obs, us, n, steps)
	return m.windowLoss(t, obs[:(steps+1)*n*m.cfg.ObsDim], weight)
}

func (m *Model) windowLoss(t *Tape, obs []float32, weight float32) float32 {
	l, p, raw := m.cfg.LatentDim, m.Phi.Out(), m.cfg.raw()
	rows := t.n * t.h
	m.lift(t, obs, rows+t.n)
	pred := m.roll(t)
	loss := m.errors(t, pred, obs, weight)
	// The targets' share must leave t.grads before backRoll adds to it.
	targets := t.dphi[t.n*p : (t.h+1)*t.n*p]
	for i := range rows {
		for j, g := range t.grads[i*l+raw : (i+1)*l] {
			targets[i*p+j] = -g
		}
	}
	m.backRoll(t)
	for i := range t.n {
		copy(t.dphi[i*p:(i+1)*p], t.first[i*l+raw:(i+1)*l])
	}
	m.Phi.Backward(t.phi, t.dphi[:(t.h+1)*t.n*p], nil)
	return float32(loss)
}

// errors returns the loss of the predictions [h n, L] and writes weight times
// its derivatives by them into t.grads.
func (m *Model) errors(t *Tape, pred, obs []float32, weight float32) float64 {
	l, p, d, raw := m.cfg.LatentDim, m.Phi.Out(), m.cfg.ObsDim, m.cfg.raw()
	rows := t.n * t.h
	latent := 1.0
	if raw > 0 {
		latent = m.cfg.LatentWeight
	}
	cRaw, cLatent := 0.0, latent/float64(p*rows)
	if raw > 0 {
		cRaw = 1 / float64(raw*rows)
	}
	var sum float64
	for i := range rows {
		z, g, w := pred[i*l:(i+1)*l], t.grads[i*l:(i+1)*l], 1.0
		if i < t.n && t.h > 1 {
			w = m.cfg.FirstWeight
		}
		sum += w * cRaw * squared(g[:raw], z[:raw], obs[(i+t.n)*d:], float32(2*w*cRaw)*weight)
		sum += w * cLatent * squared(g[raw:], z[raw:], t.lifted[(i+t.n)*p:], float32(2*w*cLatent)*weight)
	}
	return sum
}

// squared writes c (a - b) into g and returns the sum of (a - b)^2.
func squared(g, a, b []float32, c float32) float64 {
	b, g = b[:len(a)], g[:len(a)]
	var s float64
	for i, x := range a {
		e := x - b[i]
		g[i] = c * e
		s += float64(e * e)
	}
	return s
}
