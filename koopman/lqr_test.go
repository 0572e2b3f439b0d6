package koopman

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"korr/internal/seed"
	"korr/internal/tensorfile"
)

func randomMatrix(rng *rand.Rand, rows, cols int, scale float64) *mat.Dense {
	m := mat.NewDense(rows, cols, nil)
	for i := range rows {
		for j := range cols {
			m.Set(i, j, scale*rng.NormFloat64())
		}
	}
	return m
}

// plan is a problem and a way to price any sequence of actions for it.
type plan struct {
	a, b    *mat.Dense
	q, r    []float64
	goal    []float64 // [T+1, L]
	horizon int
}

func newPlan(seedOf uint64, l, u, horizon int) plan {
	rng := seed.Stream(seedOf, "lqr", 0)
	p := plan{a: randomMatrix(rng, l, l, 1/math.Sqrt(float64(l))), b: randomMatrix(rng, l, u, 1), horizon: horizon}
	for range l {
		p.q = append(p.q, math.Exp(rng.NormFloat64()))
	}
	for range u {
		p.r = append(p.r, math.Exp(rng.NormFloat64()))
	}
	for range (horizon + 1) * l {
		p.goal = append(p.goal, rng.NormFloat64())
	}
	return p
}

func (p plan) next(z, u []float64) []float64 {
	var x, y mat.VecDense
	x.MulVec(p.a, mat.NewVecDense(len(z), z))
	y.MulVec(p.b, mat.NewVecDense(len(u), u))
	x.AddVec(&x, &y)
	return x.RawVector().Data
}

// price sums the definition of the cost over the horizon.
func (p plan) price(z []float64, us [][]float64) float64 {
	c := 0.0
	for t := 0; ; t++ {
		for i, w := range p.q {
			e := z[i] - p.goal[t*len(z)+i]
			c += w * e * e
		}
		if t == p.horizon {
			return c
		}
		for i, w := range p.r {
			c += w * us[t][i] * us[t][i]
		}
		z = p.next(z, us[t])
	}
}

// TestFiniteLQRIsOptimal: at the minimum of a convex cost every derivative by an action vanishes, and the cost to go
// is what V and v say.
func TestFiniteLQRIsOptimal(t *testing.T) {
	const l, u, horizon = 5, 2, 7
	p := newPlan(1, l, u, horizon)
	s, err := FiniteLQR(p.a, p.b, DiagonalCost(p.q, p.r), horizon, p.goal)
	if err != nil {
		t.Fatal(err)
	}
	play := func(start []float64) float64 {
		us, z := make([][]float64, horizon), start
		for k := range us {
			us[k] = make([]float64, u)
			s.ActTo(us[k], z, k)
			z = p.next(z, us[k])
		}
		best := p.price(start, us)
		for k := range us {
			for i := range u {
				old := us[k][i]
				us[k][i] = old + 1e-4
				up := p.price(start, us)
				us[k][i] = old - 1e-4
				down := p.price(start, us)
				us[k][i] = old
				if d := (up - down) / 2e-4; math.Abs(d) > 1e-6*best {
					t.Errorf("derivative %g by action %d of step %d", d, i, k)
				}
				if up < best || down < best {
					t.Errorf("another action %d of step %d is cheaper", i, k)
				}
			}
		}
		return best
	}
	quadratic := func(z []float64) float64 {
		x := mat.NewVecDense(l, z)
		return mat.Inner(x, s.V[0], x) - 2*mat.Dot(s.Linear[0], x)
	}
	z1, z2 := []float64{1, -2, 0.5, 0, 3}, []float64{0, 1, 1, -1, 0.2}
	if d := (play(z1) - play(z2)) - (quadratic(z1) - quadratic(z2)); math.Abs(d) > 1e-9 {
		t.Errorf("the cost to go is off by %g", d)
	}
}

func TestRegulationIsTrackingOfZero(t *testing.T) {
	p := newPlan(2, 4, 3, 6)
	reg, err := FiniteLQR(p.a, p.b, DiagonalCost(p.q, p.r), 6, nil)
	if err != nil {
		t.Fatal(err)
	}
	track, err := FiniteLQR(p.a, p.b, DiagonalCost(p.q, p.r), 6, make([]float64, 4))
	if err != nil {
		t.Fatal(err)
	}
	for k := range reg.K {
		if !mat.Equal(reg.K[k], track.K[k]) || mat.Norm(track.FeedForward[k], 2) != 0 {
			t.Errorf("step %d differs", k)
		}
	}
}

func TestInfiniteLQRSolvesTheRiccatiEquation(t *testing.T) {
	for _, c := range []struct {
		l, u  int
		scale float64
	}{{3, 1, 1}, {6, 2, 1.5}, {40, 10, 0.9}} {
		p := newPlan(uint64(c.l), c.l, c.u, 1)
		p.a.Scale(c.scale, p.a)
		cost := DiagonalCost(p.q, p.r)
		k, ric, err := InfiniteLQR(p.a, p.b, cost)
		if err != nil {
			t.Fatal(err)
		}
		// The recursion, run for long, ends where the doubling does.
		long, err := FiniteLQR(p.a, p.b, cost, 400, nil)
		if err != nil {
			t.Fatal(err)
		}
		var d mat.Dense
		d.Sub(ric, long.V[0])
		if e := mat.Max(&d) / mat.Max(ric); e > 1e-9 {
			t.Errorf("L %d: P is off by %g", c.l, e)
		}
		d.Reset()
		d.Sub(k, long.K[0])
		if e := mat.Norm(&d, 2) / mat.Norm(k, 2); e > 1e-8 {
			t.Errorf("L %d: K is off by %g", c.l, e)
		}
	}
}

// A scalar problem has a closed form: p = q + a^2 p r / (r + b^2 p).
func TestInfiniteLQRScalar(t *testing.T) {
	a, b, q, r := 1.2, 0.5, 2.0, 3.0
	c := r*(1-a*a) - q*b*b
	p := (-c + math.Sqrt(c*c+4*b*b*q*r)) / (2 * b * b)
	k, ric, err := InfiniteLQR(mat.NewDense(1, 1, []float64{a}), mat.NewDense(1, 1, []float64{b}),
		DiagonalCost([]float64{q}, []float64{r}))
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(ric.At(0, 0) - p); d > 1e-12*p {
		t.Errorf("P = %g, want %g", ric.At(0, 0), p)
	}
	if want := a * b * p / (r + b*b*p); math.Abs(k.At(0, 0)-want) > 1e-12 {
		t.Errorf("K = %g, want %g", k.At(0, 0), want)
	}
}

func TestLQRRefuses(t *testing.T) {
	one := func(x float64) *mat.Dense { return mat.NewDense(1, 1, []float64{x}) }
	unit := DiagonalCost([]float64{1}, []float64{1})
	for name, err := range map[string]error{
		"out of reach":   second(InfiniteLQR(one(1.1), one(0), unit)),
		"unseen":         second(InfiniteLQR(one(1.1), one(0), DiagonalCost([]float64{0}, []float64{1}))),
		"marginal":       second(InfiniteLQR(one(1), one(0), unit)),
		"R":              second(InfiniteLQR(one(0.5), one(1), DiagonalCost([]float64{1}, []float64{-1}))),
		"not finite":     second(InfiniteLQR(one(math.NaN()), one(1), unit)),
		"no cost":        second(InfiniteLQR(one(1), one(1), Cost{})),
		"finite R":       first(FiniteLQR(one(1), one(1), DiagonalCost([]float64{1}, []float64{-9}), 3, nil)),
		"finite horizon": first(FiniteLQR(one(1), one(1), unit, 0, nil)),
		"finite goal":    first(FiniteLQR(one(1), one(1), unit, 3, []float64{1, 2})),
		"finite sizes":   first(FiniteLQR(one(1), mat.NewDense(2, 1, nil), unit, 3, nil)),
		"blow-up":        first(FiniteLQR(one(1e200), one(0), unit, 3, nil)),
	} {
		if !errors.Is(err, ErrLQR) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func first(_ *Regulator, err error) error                   { return err }
func second(_ *mat.Dense, _ *mat.SymDense, err error) error { return err }

func TestMatricesOfAModel(t *testing.T) {
	m, err := New(Config{ObsDim: 3, ActDim: 2, LatentDim: 5, Hidden: []int{4}}, seed.Stream(1, "lqr", 1))
	if err != nil {
		t.Fatal(err)
	}
	m.A.Data[7], m.B.Data[3] = 0.25, -2
	a, b := m.Matrices()
	if a.At(1, 2) != 0.25 || b.At(1, 1) != -2 {
		t.Errorf("A[1,2] = %g, B[1,1] = %g", a.At(1, 2), b.At(1, 1))
	}
}

// TestGoldenLQR: finite-horizon gains of the reference implementation, in double precision.
func TestGoldenLQR(t *testing.T) {
	f, err := tensorfile.Read("testdata/lqr.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	get := func(name string, shape ...int) []float64 {
		t.Helper()
		v, err := f.Get64(name, shape...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	q, r := append([]float64(nil), get("q_log", 6)...), append([]float64(nil), get("r_log", 3)...)
	for _, x := range [][]float64{q, r} {
		for i := range x {
			x[i] = math.Exp(x[i])
		}
	}
	for name, goal := range map[string][]float64{"regulate": nil, "track": get("goal", 6)} {
		s, err := FiniteLQR(mat.NewDense(6, 6, get("A", 6, 6)), mat.NewDense(6, 3, get("B", 6, 3)),
			DiagonalCost(q, r), 5, goal)
		if err != nil {
			t.Fatal(err)
		}
		for k := range s.V {
			want := mat.NewDense(6, 6, get(fmt.Sprintf("%s.V.%d", name, k), 6, 6))
			if !mat.EqualApprox(s.V[k], want, 1e-10) {
				t.Errorf("%s V %d differs", name, k)
			}
			if goal != nil && !mat.EqualApprox(s.Linear[k], mat.NewVecDense(6, get(fmt.Sprintf("track.v.%d", k), 6)), 1e-10) {
				t.Errorf("v %d differs", k)
			}
			if k == 5 {
				continue
			}
			if want := mat.NewDense(3, 6, get(fmt.Sprintf("%s.K.%d", name, k), 3, 6)); !mat.EqualApprox(s.K[k], want, 1e-10) {
				t.Errorf("%s K %d differs", name, k)
			}
			if goal != nil && !mat.EqualApprox(s.FeedForward[k],
				mat.NewVecDense(3, get(fmt.Sprintf("track.k.%d", k), 3)), 1e-10) {
				t.Errorf("k %d differs", k)
			}
		}
	}
}
