package koopman

import (
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"korr/internal/nn"
)

// Errors of fitting and training.
var (
	// ErrData marks data that fit no model: too few, mis-sized or not finite.
	ErrData = errors.New("koopman: unusable data")
	// ErrSingular marks a least-squares problem without a solution in floating
	// point; a larger ridge helps.
	ErrSingular = errors.New("koopman: singular least squares")
)

// regression accumulates G = sum x x^T and C = sum x y^T in float64.
type regression struct {
	in, out int
	count   int
	g       blas64.Symmetric
	c       blas64.General
	x, y    []float64 // a block of rows
	rows    int
}

const regressionBlock = 256

func newRegression(in, out int) *regression {
	return &regression{
		in: in, out: out,
		g: blas64.Symmetric{N: in, Stride: in, Data: make([]float64, in*in), Uplo: blas.Upper},
		c: blas64.General{Rows: in, Cols: out, Stride: out, Data: make([]float64, in*out)},
		x: make([]float64, 0, regressionBlock*in), y: make([]float64, 0, regressionBlock*out),
	}
}

// add appends one example: the concatenation of xs maps to y.
func (r *regression) add(y []float32, xs ...[]float32) {
	for _, x := range xs {
		for _, v := range x {
			r.x = append(r.x, float64(v))
		}
	}
	for _, v := range y {
		r.y = append(r.y, float64(v))
	}
	if r.rows++; r.rows == regressionBlock {
		r.flush()
	}
}

func (r *regression) flush() {
	if r.rows == 0 {
		return
	}
	x := blas64.General{Rows: r.rows, Cols: r.in, Stride: r.in, Data: r.x}
	y := blas64.General{Rows: r.rows, Cols: r.out, Stride: r.out, Data: r.y}
	blas64.Syrk(blas.Trans, 1, x, 1, r.g)
	blas64.Gemm(blas.Trans, blas.NoTrans, 1, x, y, 1, r.c)
	r.count += r.rows
	r.x, r.y, r.rows = r.x[:0], r.y[:0], 0
}

// solve returns M [in, out] minimising the mean of |x M - y|^2 plus ridge |M|^2,
// by Cholesky.
func (r *regression) solve(ridge float64) (*mat.Dense, error) {
	r.flush()
	if r.count == 0 {
		return nil, fmt.Errorf("%w: no examples", ErrData)
	}
	n := float64(r.count)
	for i := range r.in {
		r.g.Data[i*r.in+i] += ridge * n
	}
	for _, v := range append(r.g.Data[:len(r.g.Data):len(r.g.Data)], r.c.Data...) {
		if v-v != 0 {
			return nil, fmt.Errorf("%w: a number is not finite", ErrData)
		}
	}
	var g mat.SymDense
	g.SetRawSymmetric(r.g)
	var chol mat.Cholesky
	if !chol.Factorize(&g) {
		return nil, fmt.Errorf("%w: %d examples of %d inputs, ridge %g; raise the ridge", ErrSingular, r.count, r.in, ridge)
	}
	var m mat.Dense
	if err := chol.SolveTo(&m, mat.NewDense(r.in, r.out, r.c.Data)); err != nil && !errors.As(err, new(mat.Condition)) {
		return nil, fmt.Errorf("%w: %v", ErrSingular, err)
	}
	return &m, nil
}

// FitLeastSquares sets A, B and N to the least-squares solution of
// lift(next) = (A + g N) lift(obs) + B u for the present phi over n transitions, obs
// [n, D], u [n, U], next [n, D], and enforces the spectral bound. ridge is the
// regularisation per example (1e-3 suits normalised data). The error wraps
// ErrData or ErrSingular; the model is then unchanged.
func (m *Model) FitLeastSquares(obs, u, next []float32, n int, ridge float64) error {
	d, ud, l := m.cfg.ObsDim, m.cfg.ActDim, m.cfg.LatentDim
	if n < 1 || len(obs) < n*d || len(u) < n*ud || len(next) < n*d {
		return fmt.Errorf("%w: %d transitions from %d, %d and %d numbers", ErrData, n, len(obs), len(u), len(next))
	}
	var gz []float32
	if m.N != nil {
		gz = make([]float32, l)
	}
	r, p := newRegression(l+ud+len(gz), l), m.Predictor()
	z, zn := make([]float32, l), make([]float32, l)
	for i := range n {
		p.LiftTo(z, obs[i*d:(i+1)*d])
		p.LiftTo(zn, next[i*d:(i+1)*d])
		act := u[i*ud : (i+1)*ud]
		scaleTo(gz, gripper(act), z)
		r.add(zn, z, act, gz)
	}
	sol, err := r.solve(ridge)
	if err != nil {
		return err
	}
	for i := range l {
		for j := range l {
			m.A.Data[i*l+j] = float32(sol.At(j, i))
		}
		for j := range ud {
			m.B.Data[i*ud+j] = float32(sol.At(l+j, i))
		}
		for j := range gz {
			m.N.Data[i*l+j] = float32(sol.At(l+ud+j, i))
		}
	}
	m.Constrain()
	return nil
}

// FitEpisodes is FitLeastSquares over every transition of the episodes.
func (m *Model) FitEpisodes(episodes []Episode, ridge float64) error {
	if err := checkEpisodes(episodes, m.cfg.ObsDim, m.cfg.ActDim); err != nil {
		return err
	}
	var obs, us, next []float32
	n := 0
	for _, e := range episodes {
		if e.T < 2 {
			continue
		}
		k := e.T - 1
		obs = append(obs, e.Obs[:k*m.cfg.ObsDim]...)
		next = append(next, e.Obs[m.cfg.ObsDim:e.T*m.cfg.ObsDim]...)
		us = append(us, e.Act[:k*m.cfg.ActDim]...)
		n += k
	}
	return m.FitLeastSquares(obs, us, next, n, ridge)
}

// snapshot keeps parameter values to go back to.
type snapshot struct{ params, kept []*nn.Param }

func newSnapshot(params []*nn.Param) *snapshot {
	s := &snapshot{params: params}
	for _, p := range params {
		s.kept = append(s.kept, &nn.Param{Name: p.Name, Shape: p.Shape, Data: append([]float32(nil), p.Data...)})
	}
	return s
}

func (s *snapshot) take()    { nn.CopyParams(s.kept, s.params) }
func (s *snapshot) restore() { nn.CopyParams(s.params, s.kept) }
