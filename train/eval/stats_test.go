package eval

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pairs expands the four counts of a paired table.
func pairs(both, first, second, none int) (a, b []bool) {
	add := func(n int, x, y bool) {
		for range n {
			a, b = append(a, x), append(b, y)
		}
	}
	add(both, true, true)
	add(first, true, false)
	add(second, false, true)
	add(none, false, false)
	return a, b
}

func near(t *testing.T, name string, got [2]float64, lo, hi, tol float64) {
	t.Helper()
	if math.Abs(got[0]-lo) > tol || math.Abs(got[1]-hi) > tol {
		t.Errorf("%s: [%.4f, %.4f], want [%.4f, %.4f]", name, got[0], got[1], lo, hi)
	}
}

// Newcombe 1998 ("Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, table I,
// method 3).
func TestWilsonMatchesPublishedTable(t *testing.T) {
	near(t, "81/263", Wilson(81, 263), 0.2553, 0.3662, 5e-5)
	near(t, "15/148", Wilson(15, 148), 0.0624, 0.1605, 5e-5)
	near(t, "0/20", Wilson(0, 20), 0, 0.1611, 5e-5)
	near(t, "1/29", Wilson(1, 29), 0.0061, 0.1718, 5e-5)
	near(t, "all", Wilson(20, 20), 1-0.1611, 1, 5e-5)
	near(t, "none tried", Wilson(0, 0), 0, 1, 0)
}

func TestPairedDifferenceMatchesPublishedExamples(t *testing.T) {
	cases := []struct {
		name         string
		counts       [4]int
		d, low, high float64
	}{
		{"Newcombe 1998, table III (a)", [4]int{36, 12, 2, 0}, 0.2, 0.0569, 0.3404},
		{"Fagerland et al. 2014, airway hyper-responsiveness", [4]int{1, 1, 7, 12}, -0.2857, -0.5069, -0.0256},
		{"Altman et al. 2000, table 6.2", [4]int{14, 5, 0, 22}, 0.1220, 0.0115, 0.2265},
	}
	for _, c := range cases {
		a, b := pairs(c.counts[0], c.counts[1], c.counts[2], c.counts[3])
		got := PairedDifference(a, b)
		near(t, c.name, got.CI95, c.low, c.high, 5e-5)
		if math.Abs(got.Rate-c.d) > 5e-5 || got.Better != c.counts[1] || got.Worse != c.counts[2] || got.Pairs != len(a) {
			t.Errorf("%s: %+v", c.name, got)
		}
		back := PairedDifference(b, a)
		near(t, c.name+" swapped", back.CI95, -c.high, -c.low, 5e-5)
	}
}

// TestPairedDifferenceCovers draws correlated outcomes and counts how often the interval holds the true difference.
func TestPairedDifferenceCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const trials, n, shared, pa, pb = 2000, 40, 0.5, 0.9, 0.6
	truth, held := pa-pb, 0
	for range trials {
		a, b := make([]bool, n), make([]bool, n)
		for i := range n {
			x, y := rng.Float64(), rng.Float64()
			if rng.Float64() < shared {
				y = x
			}
			a[i], b[i] = x < pa, y < pb
		}
		ci := PairedDifference(a, b).CI95
		if ci[0] <= truth && truth <= ci[1] {
			held++
		}
	}
	if rate := float64(held) / trials; rate < 0.93 || rate > 0.985 {
		t.Errorf("the 95 %% interval held the truth in %.1f %% of %d trials", 100*rate, trials)
	}
}

func TestPairedDifferenceWithoutDisagreement(t *testing.T) {
	a, b := pairs(10, 0, 0, 0)
	got := PairedDifference(a, b)
	if got.Rate != 0 || got.CI95[0] >= 0 || got.CI95[1] <= 0 {
		t.Errorf("%+v: ten equal successes leave room for a difference on both sides", got)
	}
	if got := PairedDifference(nil, nil); got.CI95 != [2]float64{-1, 1} {
		t.Errorf("no pairs: %+v", got)
	}
}
