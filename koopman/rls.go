package koopman

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"korr/internal/nn"
)

// AdapterConfig sets an Adapter; zero values mean the defaults given.
type AdapterConfig struct {
	// Forgetting is the weight that a step loses with every later one, in (0, 1]
	// (0.999).
	Forgetting float64
	// Prior is the variance of the matrices before the first step, and the bound of
	// it afterwards (1e-4): how fast they may move.
	Prior float64
	// MaxDeviation bounds the Frobenius distance of [A B] from the trained ones, as
	// a share of their norm (0.05).
	MaxDeviation float64
}

// Adapter refines A and B while a model runs, by recursive least squares with
// exponential forgetting on x = [z; u], of a bilinear model [z; u; g z]:
//
//	k = P x / (f + x^T P x),  [A B] += (z' - [A B] x) k^T,  P = (P - k x^T P) / f
//
// (Ljung, System Identification, 1999, ch. 11). Two bounds keep it safe: P does
// not grow beyond its start, as it would without excitation, and [A B] stays near
// the trained matrices, which the adapter leaves alone: it holds a copy. The
// lift is not adapted. It is a Predictor of the adapted model; one goroutine uses
// it.
type Adapter struct {
	cfg      AdapterConfig
	p        *Predictor
	l, u     int
	ab       []float32 // [L, X]: [A B], of a bilinear model [A B N]
	trained  []float32
	norm     float64   // of trained
	cov      []float64 // [X, X], symmetric
	x, px    []float64
	in, pred []float32
}

// NewAdapter returns an adapter that starts at m. The error wraps ErrConfig.
func (m *Model) NewAdapter(cfg AdapterConfig) (*Adapter, error) {
	cfg.Forgetting, cfg.Prior = orDefault(cfg.Forgetting, 0.999), orDefault(cfg.Prior, 1e-4)
	cfg.MaxDeviation = orDefault(cfg.MaxDeviation, 0.05)
	if !(cfg.Forgetting > 0.5 && cfg.Forgetting <= 1 && cfg.Prior > 0 && cfg.MaxDeviation > 0) {
		return nil, fmt.Errorf("%w: adapter %+v", ErrConfig, cfg)
	}
	l, u := m.cfg.LatentDim, m.cfg.ActDim
	n := l + u
	if m.N != nil {
		n += l
	}
	a := &Adapter{
		cfg: cfg, p: m.Predictor(), l: l, u: u, ab: make([]float32, l*n), cov: make([]float64, n*n),
		x: make([]float64, n), px: make([]float64, n), in: make([]float32, n), pred: make([]float32, l),
	}
	for i := range l {
		copy(a.ab[i*n:], m.A.Data[i*l:(i+1)*l])
		copy(a.ab[i*n+l:], m.B.Data[i*u:(i+1)*u])
		if m.N != nil {
			copy(a.ab[i*n+l+u:], m.N.Data[i*l:(i+1)*l])
		}
	}
	a.trained = slices.Clone(a.ab)
	for _, v := range a.ab {
		a.norm += float64(v) * float64(v)
	}
	a.norm = math.Sqrt(a.norm)
	a.Reset()
	return a, nil
}

// Reset goes back to the trained matrices.
func (a *Adapter) Reset() {
	copy(a.ab, a.trained)
	clear(a.cov)
	for i := range a.x {
		a.cov[i*len(a.x)+i] = a.cfg.Prior
	}
}

// LatentDim returns L.
func (a *Adapter) LatentDim() int { return a.l }

// LiftTo writes the lift of obs [D] into z [L].
func (a *Adapter) LiftTo(z, obs []float32) { a.p.LiftTo(z, obs) }

// PredictTo writes A z + B u, or (A + g N) z + B u, with the adapted matrices
// into zNext [L].
func (a *Adapter) PredictTo(zNext, z, u []float32) {
	copy(a.in, z[:a.l])
	copy(a.in[a.l:], u[:a.u])
	scaleTo(a.in[a.l+a.u:], gripper(u[:a.u]), z)
	nn.MatVec(zNext[:a.l], a.ab, a.in, a.l, len(a.in), 0)
}

// Update takes in that the action u [U] led from z to zNext, each [L]. Numbers
// that are not finite are ignored. It allocates nothing.
func (a *Adapter) Update(z, u, zNext []float32) {
	a.PredictTo(a.pred, z, u)
	n := len(a.in)
	for i, v := range a.in {
		a.x[i] = float64(v)
	}
	cov := blas64.Symmetric{N: n, Stride: n, Data: a.cov, Uplo: blas.Upper}
	px, x := blas64.Vector{N: n, Inc: 1, Data: a.px}, blas64.Vector{N: n, Inc: 1, Data: a.x}
	blas64.Symv(1, cov, x, 0, px)
	gain := 1 / (a.cfg.Forgetting + blas64.Dot(x, px))
	for i := range a.pred {
		a.pred[i] = zNext[i] - a.pred[i] // the innovation
		if a.pred[i]-a.pred[i] != 0 {
			return
		}
	}
	if gain-gain != 0 || gain <= 0 {
		return
	}
	blas64.Syr(-gain, px, cov)
	a.forget()
	deviation := 0.0
	for i, e := range a.pred {
		row, start := a.ab[i*n:(i+1)*n], a.trained[i*n:(i+1)*n]
		for j := range row {
			row[j] += e * float32(gain*a.px[j])
			d := float64(row[j] - start[j])
			deviation += d * d
		}
	}
	if limit := a.cfg.MaxDeviation * a.norm; deviation > limit*limit {
		f := float32(limit / math.Sqrt(deviation))
		for i, t := range a.trained {
			a.ab[i] = t + f*(a.ab[i]-t)
		}
	}
}

// forget divides P by the forgetting factor, unless a variance would exceed the
// prior.
func (a *Adapter) forget() {
	n := len(a.x)
	largest := 0.0
	for i := range n {
		largest = max(largest, a.cov[i*n+i])
	}
	f := min(1/a.cfg.Forgetting, a.cfg.Prior/largest)
	if f <= 1 {
		return
	}
	for i := range a.cov {
		a.cov[i] *= f
	}
}
