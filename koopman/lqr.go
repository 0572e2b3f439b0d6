package koopman

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// ErrLQR marks a linear-quadratic problem that is mis-sized or has no solution.
var ErrLQR = errors.New("koopman: no LQR solution")

// Cost weighs a linear-quadratic problem: Q [L, L] the squared distance of z
// from its goal, R [U, U] the squared action. Both are symmetric, Q positive
// semidefinite and R positive definite.
type Cost struct{ Q, R mat.Symmetric }

// DiagonalCost returns the cost with the given diagonals.
func DiagonalCost(q, r []float64) Cost {
	return Cost{Q: mat.NewDiagDense(len(q), q), R: mat.NewDiagDense(len(r), r)}
}

// Regulator is the optimal feedback over a finite horizon T,
//
//	u_t = -K_t z_t + k_t,
//
// for the problem
//
//	min sum over t < T of |z_t - g_t|_Q^2 + |u_t|_R^2, plus |z_T - g_T|_Q^2,
//	z_t+1 = A z_t + B u_t.
//
// The cost to go from z at t is z^T V_t z - 2 v_t^T z and a constant.
type Regulator struct {
	K           []*mat.Dense    // [T] of [U, L]
	FeedForward []*mat.VecDense // [T] of [U], the k_t; nil when the goal is zero
	V           []*mat.SymDense // [T+1] of [L, L]
	Linear      []*mat.VecDense // [T+1] of [L], the v_t; nil when the goal is zero
}

// FiniteLQR solves the problem of a Regulator for A [L, L] and B [L, U] by the
// Riccati recursion. goal is nil (regulation to zero), one latent [L] for all
// steps, or T+1 of them one after the other. The error wraps ErrLQR.
func FiniteLQR(a, b mat.Matrix, cost Cost, horizon int, goal []float64) (*Regulator, error) {
	l, err := cost.check(a, b)
	if err != nil {
		return nil, err
	}
	if horizon < 1 {
		return nil, fmt.Errorf("%w: horizon %d", ErrLQR, horizon)
	}
	if n := len(goal); n != 0 && n != l && n != (horizon+1)*l {
		return nil, fmt.Errorf("%w: a goal of %d numbers, want %d or %d", ErrLQR, n, l, (horizon+1)*l)
	}
	s := &Regulator{K: make([]*mat.Dense, horizon), V: make([]*mat.SymDense, horizon+1)}
	s.V[horizon] = symmetric(cost.Q)
	if goal != nil {
		s.FeedForward, s.Linear = make([]*mat.VecDense, horizon), make([]*mat.VecDense, horizon+1)
		s.Linear[horizon] = pull(cost.Q, goal, horizon)
	}
	for t := horizon - 1; t >= 0; t-- {
		if err := s.step(a, b, cost, t, goal); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// step computes K, k, V and v of step t from V and v of t+1.
func (s *Regulator) step(a, b mat.Matrix, cost Cost, t int, goal []float64) error {
	gain, closed, err := feedback(a, b, cost.R, s.V[t+1])
	if err != nil {
		return fmt.Errorf("step %d: %w", t, err)
	}
	s.K[t] = gain.k
	var v mat.Dense
	v.Product(a.T(), s.V[t+1], closed)
	v.Add(&v, cost.Q)
	s.V[t] = symmetric(&v)
	if goal == nil {
		return nil
	}
	var bv mat.VecDense
	bv.MulVec(b.T(), s.Linear[t+1])
	s.FeedForward[t] = new(mat.VecDense)
	if err := gain.chol.SolveVecTo(s.FeedForward[t], &bv); fatal(err) {
		return fmt.Errorf("%w: step %d: %v", ErrLQR, t, err)
	}
	s.Linear[t] = pull(cost.Q, goal, t)
	var next mat.VecDense
	next.MulVec(closed.T(), s.Linear[t+1])
	s.Linear[t].AddVec(s.Linear[t], &next)
	return nil
}

// ActTo writes the action u_t [U] for the latent z [L] into dst. It panics when
// t is not below the horizon or a slice has another length.
func (s *Regulator) ActTo(dst, z []float64, t int) {
	u := mat.NewVecDense(len(dst), dst)
	u.MulVec(s.K[t], mat.NewVecDense(len(z), z))
	u.ScaleVec(-1, u)
	if s.FeedForward != nil {
		u.AddVec(u, s.FeedForward[t])
	}
}

// gainOf is K = (R + B^T V B)^-1 B^T V A and the factors it took.
type gainOf struct {
	k    *mat.Dense
	chol mat.Cholesky // of R + B^T V B
}

// feedback returns the gain for the cost to go V, and A - B K.
func feedback(a, b mat.Matrix, r, v mat.Symmetric) (*gainOf, *mat.Dense, error) {
	var bv, h, bva mat.Dense
	bv.Mul(b.T(), v)
	h.Mul(&bv, b)
	h.Add(&h, r)
	g := &gainOf{k: new(mat.Dense)}
	if !finiteMatrix(&h) || !g.chol.Factorize(symmetric(&h)) {
		return nil, nil, fmt.Errorf("%w: R + B^T V B is not positive definite: R must be, and A must not blow V up", ErrLQR)
	}
	bva.Mul(&bv, a)
	if err := g.chol.SolveTo(g.k, &bva); fatal(err) {
		return nil, nil, fmt.Errorf("%w: %v", ErrLQR, err)
	}
	var closed mat.Dense
	closed.Mul(b, g.k)
	closed.Sub(a, &closed)
	return g, &closed, nil
}

// maxDoublings bounds the doubling iteration: 2^40 steps of the recursion.
const maxDoublings = 40

// InfiniteLQR returns the stationary feedback u = -K z, K [U, L], and the cost
// to go z^T P z, P [L, L], of the infinite horizon. It solves the discrete
// algebraic Riccati equation by the structure-preserving doubling algorithm
// (Chu, Fan, Lin and Wang 2004), whose k-th iterate is the cost of 2^k steps.
//
// The error wraps ErrLQR when the iteration does not converge or A - B K is
// not stable: a mode of A on or outside the unit circle is out of B's reach, or
// Q does not see it.
func InfiniteLQR(a, b mat.Matrix, cost Cost) (k *mat.Dense, p *mat.SymDense, err error) {
	if _, err := cost.check(a, b); err != nil {
		return nil, nil, err
	}
	if p, err = riccati(a, b, cost); err != nil {
		return nil, nil, err
	}
	gain, closed, err := feedback(a, b, cost.R, p)
	if err != nil {
		return nil, nil, err
	}
	if radius := radiusOf(closed); !(radius < 1) {
		return nil, nil, fmt.Errorf("%w: A - B K has spectral radius %g", ErrLQR, radius)
	}
	return gain.k, p, nil
}

// riccati runs the doubling: with W = I + G H,
// A' = A W^-1 A, G' = G + A W^-1 G A^T, H' = H + A^T H W^-1 A, H tending to P.
func riccati(a, b mat.Matrix, cost Cost) (*mat.SymDense, error) {
	l, _ := a.Dims()
	ak, h := mat.DenseCopyOf(a), symmetric(cost.Q)
	g, err := actionGram(b, cost.R)
	if err != nil {
		return nil, err
	}
	for range maxDoublings {
		var w, wa, wg, next, gAdd, hAdd mat.Dense
		w.Mul(g, h)
		for i := range l {
			w.Set(i, i, w.At(i, i)+1)
		}
		var lu mat.LU
		lu.Factorize(&w)
		if err := errors.Join(solve(&lu, &wa, ak), solve(&lu, &wg, g)); err != nil {
			return nil, err
		}
		gAdd.Product(ak, &wg, ak.T())
		hAdd.Product(ak.T(), h, &wa)
		next.Mul(ak, &wa)
		if !finiteMatrix(&hAdd) || !finiteMatrix(&gAdd) || !finiteMatrix(&next) {
			break
		}
		change := mat.Norm(&hAdd, math.Inf(1))
		hAdd.Add(&hAdd, h)
		gAdd.Add(&gAdd, g)
		ak, h, g = &next, symmetric(&hAdd), symmetric(&gAdd)
		if change <= 1e-14*mat.Norm(h, math.Inf(1)) {
			return h, nil
		}
	}
	return nil, fmt.Errorf("%w: the Riccati iteration does not converge: a costly mode of A on or outside the unit "+
		"circle is out of B's reach", ErrLQR)
}

func solve(lu *mat.LU, dst *mat.Dense, b mat.Matrix) error {
	if err := lu.SolveTo(dst, false, b); fatal(err) {
		return fmt.Errorf("%w: %v", ErrLQR, err)
	}
	return nil
}

// actionGram returns B R^-1 B^T.
func actionGram(b mat.Matrix, r mat.Symmetric) (*mat.SymDense, error) {
	var chol mat.Cholesky
	if !chol.Factorize(r) {
		return nil, fmt.Errorf("%w: R is not positive definite", ErrLQR)
	}
	var rb, g mat.Dense
	if err := chol.SolveTo(&rb, b.T()); fatal(err) {
		return nil, fmt.Errorf("%w: R: %v", ErrLQR, err)
	}
	g.Mul(b, &rb)
	return symmetric(&g), nil
}

// Matrices returns copies of A [L, L] and B [L, U] in float64. What it leaves out of a bilinear model is in those of
// Model.At.
func (m *Model) Matrices() (a, b *mat.Dense) {
	wide := func(x []float32) []float64 {
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = float64(v)
		}
		return y
	}
	l, u := m.cfg.LatentDim, m.cfg.ActDim
	return mat.NewDense(l, l, wide(m.A.Data)), mat.NewDense(l, u, wide(m.B.Data))
}

// check compares the sizes and returns L.
func (c Cost) check(a, b mat.Matrix) (l int, err error) {
	if c.Q == nil || c.R == nil {
		return 0, fmt.Errorf("%w: the cost lacks Q or R", ErrLQR)
	}
	l, cols := a.Dims()
	rows, u := b.Dims()
	if cols != l || rows != l || c.Q.SymmetricDim() != l || c.R.SymmetricDim() != u {
		return 0, fmt.Errorf("%w: A %dx%d, B %dx%d, Q %d, R %d", ErrLQR, l, cols, rows, u, c.Q.SymmetricDim(),
			c.R.SymmetricDim())
	}
	for _, x := range []mat.Matrix{a, b, c.Q, c.R} {
		if !finiteMatrix(x) {
			return 0, fmt.Errorf("%w: a number is not finite", ErrLQR)
		}
	}
	return l, nil
}

// pull returns Q g_t.
func pull(q mat.Symmetric, goal []float64, t int) *mat.VecDense {
	l := q.SymmetricDim()
	if len(goal) > l {
		goal = goal[t*l : (t+1)*l]
	}
	v := new(mat.VecDense)
	v.MulVec(q, mat.NewVecDense(l, goal))
	return v
}

// symmetric returns the symmetric part of x.
func symmetric(x mat.Matrix) *mat.SymDense {
	n, _ := x.Dims()
	s := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			s.SetSym(i, j, (x.At(i, j)+x.At(j, i))/2)
		}
	}
	return s
}

func finiteMatrix(x mat.Matrix) bool {
	n := mat.Sum(x)
	return n-n == 0
}

// fatal tells a failed solve from one that is merely ill-conditioned.
func fatal(err error) bool {
	return err != nil && !errors.As(err, new(mat.Condition))
}
