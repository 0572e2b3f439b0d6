package koopman

import (
	"fmt"
	"slices"

	"korr/internal/nn"
)

// Lookahead predicts coordinates of the latent several steps ahead under a
// known plan of actions. With C the rows read,
//
//	C z(k) = C A^k z + sum over j < k of C A^(k-1-j) (B u_j + d)
//
// is linear in z, in the plan and in a lasting disturbance d (see Observer), so
// the powers are multiplied out once and a prediction of all horizons costs two
// matrix-vector products, three with a disturbance. A bilinear model, whose
// powers depend on the plan, is iterated. It holds a copy
// of what it needs: a model trained further needs a new one. One goroutine uses
// it at a time.
type Lookahead struct {
	latent, actDim, steps int
	rows                  int
	g                     []float32 // [rows, L]
	h                     []float32 // [rows, steps*U]
	e                     []float32 // [rows, L] of a disturbance

	bilinear *Predictor // of the copy that is iterated; nil when the powers are multiplied out
	horizons []int
	from, to int
	z, next  []float32
}

// Lookahead returns the predictor of the latent coordinates from..to-1 at the
// horizons, in steps from 1. The error wraps ErrConfig.
func (m *Model) Lookahead(horizons []int, from, to int) (*Lookahead, error) {
	l, u := m.cfg.LatentDim, m.cfg.ActDim
	if from < 0 || to <= from || to > l || len(horizons) == 0 {
		return nil, fmt.Errorf("%w: look-ahead over %d horizons at coordinates %d..%d of %d", ErrConfig,
			len(horizons), from, to, l)
	}
	longest := 0
	for _, k := range horizons {
		if k < 1 || k > maxLookahead {
			return nil, fmt.Errorf("%w: look-ahead of %d steps, want 1..%d", ErrConfig, k, maxLookahead)
		}
		longest = max(longest, k)
	}
	c := to - from
	if m.N != nil {
		return &Lookahead{
			latent: l, actDim: u, steps: longest, rows: c * len(horizons), bilinear: m.Clone().Predictor(),
			horizons: slices.Clone(horizons), from: from, to: to, z: make([]float32, l), next: make([]float32, l),
		}, nil
	}
	a := &Lookahead{latent: l, actDim: u, steps: longest, rows: c * len(horizons)}
	a.g, a.h, a.e = make([]float32, a.rows*l), make([]float32, a.rows*longest*u), make([]float32, a.rows*l)
	sum := make([]float32, c*l)                               // C (1 + A + ... + A^(k-1))
	power, next := make([]float32, c*l), make([]float32, c*l) // C A^k
	for i := range c {
		power[i*l+from+i] = 1
	}
	response := make([]float32, longest*c*u) // C A^k B
	for k := 1; k <= longest; k++ {
		nn.MatMul(response[(k-1)*c*u:k*c*u], power, m.B.Data, c, l, u, 0)
		for i, v := range power {
			sum[i] += v
		}
		nn.MatMul(next, power, m.A.Data, c, l, l, 0)
		power, next = next, power
		for i, horizon := range horizons {
			if horizon == k {
				copy(a.g[i*c*l:(i+1)*c*l], power)
				copy(a.e[i*c*l:(i+1)*c*l], sum)
			}
		}
	}
	for i, horizon := range horizons {
		for j := range horizon {
			for r := range c {
				row := a.h[(i*c+r)*longest*u:]
				copy(row[j*u:(j+1)*u], response[((horizon-1-j)*c+r)*u:])
			}
		}
	}
	return a, nil
}

// maxLookahead bounds a horizon, so that a damaged file cannot ask for hours.
const maxLookahead = 256

// Dim is the width of a prediction: the coordinates read times the horizons.
func (a *Lookahead) Dim() int { return a.rows }

// Steps is the longest horizon: the number of actions a plan must hold.
func (a *Lookahead) Steps() int { return a.steps }

// PredictTo writes the prediction dst [Dim], horizon by horizon, for the latent
// z [L] and the plan [Steps, U], whose first action is the one about to be
// executed. d [L] is the disturbance, nil for none. It allocates nothing and
// panics when a slice is too short.
func (a *Lookahead) PredictTo(dst, z, plan, d []float32) {
	dst = dst[:a.rows]
	if a.bilinear != nil {
		a.iterate(dst, z, plan, d)
		return
	}
	n := a.steps * a.actDim
	nn.MatVec(dst, a.g, z[:a.latent], a.rows, a.latent, 0)
	nn.MatVec(dst, a.h, plan[:n], a.rows, n, 1)
	if d != nil {
		nn.MatVec(dst, a.e, d[:a.latent], a.rows, a.latent, 1)
	}
}

// iterate predicts step by step.
func (a *Lookahead) iterate(dst, z, plan, d []float32) {
	copy(a.z, z[:a.latent])
	c := a.to - a.from
	for k := 1; k <= a.steps; k++ {
		a.bilinear.PredictTo(a.next, a.z, plan[(k-1)*a.actDim:k*a.actDim])
		a.z, a.next = a.next, a.z
		if d != nil {
			for i := range a.z {
				a.z[i] += d[i]
			}
		}
		for i, horizon := range a.horizons {
			if horizon == k {
				copy(dst[i*c:(i+1)*c], a.z[a.from:a.to])
			}
		}
	}
}
