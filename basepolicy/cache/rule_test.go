package cache

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// apply forecasts f from its values at the distances back.
func apply(r rule, f func(x float64) float64, back []float64, k float64) float64 {
	var w weights
	r(&w, back, k)
	var y float64
	for j, b := range back {
		y += w[j] * f(-b)
	}
	return y
}

func TestPublishedFormulas(t *testing.T) {
	square := func(x float64) float64 { return x * x }
	cube := func(x float64) float64 { return x * x * x }
	line := func(x float64) float64 { return 3 + 2*x }
	back := []float64{0, 2, 4, 6}
	for _, k := range []float64{1, 2, 3} {
		near(t, "taylor 1 on a line", apply(taylorRule(1), line, back, k), line(k))
		// D_1 = -2, D_2 = 2: the differences lag, as published
		near(t, "taylor 2 on x^2", apply(taylorRule(2), square, back, k), k*k-2*k)
		near(t, "newton 2 on x^2", apply(newtonRule(2), square, back, k), k*k)
		near(t, "newton 3 on x^3, unequal gaps", apply(newtonRule(3), cube, []float64{0, 1, 4, 5}, k), k*k*k)
		// second order of Hermite with s^2 = 1/2: D_2 (k^2 - 1) / 2
		near(t, "hermite 2 on x^2", apply(hermiteRule(2, math.Sqrt(0.5)), square, back, k), -2*k+k*k-1)
		s := 0.3
		h3 := 8*math.Pow(s*k, 3) - 12*s*k
		want := 4*2*s*s*k - 12*s*s*(4*s*s*k*k-2)/2 + 6*math.Pow(s, 3)*h3/6
		near(t, "hermite 3 on x^3", apply(hermiteRule(3, s), cube, back, k), want) // D_1 = 4, D_2 = -12, D_3 = 6, see below
	}
}

// TestHermiteDifferences: x^3 at gaps of 2 has D_1 = 4, D_2 = -12, D_3 = 6 at 0.
func TestHermiteDifferences(t *testing.T) {
	var d [maxOrder + 1]weights
	back := []float64{0, 2, 4, 6}
	if n := differences(&d, back, 3); n != 3 {
		t.Fatalf("order %d", n)
	}
	for i, want := range []float64{0, 4, -12, 6} {
		var got float64
		for j, b := range back {
			got += d[i][j] * -b * b * b
		}
		near(t, "difference", got, want)
	}
}

// TestOddTerms: a rising line goes on rising.
func TestOddTerms(t *testing.T) {
	up := func(x float64) float64 { return x }
	for _, s := range []float64{0.3, 0.5, math.Sqrt(0.5)} {
		for order := 1; order <= 3; order++ {
			got := apply(hermiteRule(order, s), up, []float64{0, 2, 4, 6}, 2)
			near(t, "hermite on a line", got, 2*s*s*2)
		}
	}
	var a, b weights
	for _, k := range []float64{1, 2.5, 4} {
		taylorRule(1)(&a, []float64{0, 3}, k)
		hermiteRule(1, math.Sqrt(0.5))(&b, []float64{0, 3}, k)
		for j := range a {
			near(t, "order 1, s = sqrt(1/2)", b[j], a[j])
		}
	}
}

func TestFoCaWeights(t *testing.T) {
	var w weights
	bdf2Rule(false)(&w, []float64{0, 2}, 3) // r = 3/2
	near(t, "P, F_0", w[0], 4.0/3+1)
	near(t, "P, F_1", w[1], -1.0/3-1)
	focaRule(0.75, false)(&w, []float64{0, 2}, 3)
	// Heun: F_0 + (1.5 d + P - F_0) / 2
	near(t, "F_0", w[0], 0.75*(7.0/3)+0.25*(0.5+0.75+7.0/6))
	near(t, "F_1", w[1], 0.75*(-4.0/3)+0.25*(-0.75-4.0/6))
	for _, r := range []rule{bdf2Rule(true), focaRule(0.75, true), bdf2Rule(false), focaRule(0.5, false)} {
		near(t, "a line at the old gap", apply(r, func(x float64) float64 { return 5 - x }, []float64{0, 2}, 2), 3)
	}
	bdf2Rule(false)(&w, []float64{0}, 1)
	near(t, "without a past", w[0], 1)
}

// TestFoCaPublished: a quarter of BDF2 and three of Heun, which on smooth curves is nearer than the reverse.
func TestFoCaPublished(t *testing.T) {
	c, err := Parse("foca")
	if err != nil {
		t.Fatal(err)
	}
	var w weights
	c.rule()(&w, []float64{0, 2}, 3) // P = 7/3 F_0 - 4/3 F_1; Heun 29/12 F_0 - 17/12 F_1
	near(t, "F_0", w[0], 0.25*(7.0/3)+0.75*(29.0/12))
	near(t, "F_1", w[1], -0.25*(4.0/3)-0.75*(17.0/12))
	off := map[float64]float64{}
	for _, mix := range []float64{0.25, 0.75} {
		for at := 0.0; at < 6; at += 0.1 {
			for k := 1.0; k <= 2; k++ {
				curve := func(x float64) float64 { return math.Sin(0.2 * (at + x)) }
				off[mix] += math.Abs(apply(focaRule(mix, false), curve, []float64{0, 3}, k) - curve(k))
			}
		}
	}
	if !(off[0.25] < off[0.75]) {
		t.Errorf("errors on smooth curves by the share of BDF2: %v", off)
	}
}

func TestAdamsBashforth(t *testing.T) {
	near(t, "AB2", apply(adamsBashforthRule, func(x float64) float64 { return 1 + 4*x }, []float64{0, 1, 3}, 2), 9)
	// slopes of x^2 between -2, -1, 0: -3, -1
	near(t, "AB2 on x^2", apply(adamsBashforthRule, func(x float64) float64 { return x * x }, []float64{0, 1, 2}, 1),
		(3*-1.0+3)/2)
}

// TestWeightsSumToOne: a constant is forecast exactly by every rule but the second and
// higher orders of Hermite, which only move by differences, zero here.
func TestWeightsSumToOne(t *testing.T) {
	one := func(float64) float64 { return 1 }
	for _, s := range solvers {
		for n := 1; n <= 3; n++ {
			near(t, s.name, apply(s.rule, one, []float64{0, 3, 4}[:n], 2), 1)
		}
	}
}

// TestBandsReconstruct: low and high frequencies make up the whole, a constant is low
// and an alternating row is high.
func TestBandsReconstruct(t *testing.T) {
	const h, u = 16, 3
	b := newBands(h, 0.1, u)
	if len(b.basis) != 2*h {
		t.Fatalf("%d low frequencies, want 2", len(b.basis)/h)
	}
	x, low, twice := make([]float32, 2*h*u), make([]float32, 2*h*u), make([]float32, 2*h*u)
	for i := range x {
		x[i] = float32(math.Sin(float64(i * i)))
	}
	b.addLow(low, x, 1)
	b.addLow(twice, low, 1)
	for i := range low { // a projection
		if math.Abs(float64(twice[i]-low[i])) > 1e-5 {
			t.Fatalf("value %d: %g, projected again %g", i, low[i], twice[i])
		}
	}
	whole, all := newBands(h, 1, u), make([]float32, len(x))
	whole.addLow(all, x, 1)
	for i := range x { // all frequencies are everything
		if math.Abs(float64(all[i]-x[i])) > 1e-5 {
			t.Fatalf("value %d: %g became %g", i, x[i], all[i])
		}
	}
	clear(all)
	for i := range x {
		x[i] = 5
	}
	b.addLow(all, x, -1)
	for i, v := range all {
		if math.Abs(float64(v+5)) > 1e-5 {
			t.Fatalf("value %d of a constant: %g", i, v)
		}
	}
}
