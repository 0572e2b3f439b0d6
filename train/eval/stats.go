package eval

import "math"

// z95 is the two-sided 95 % quantile of the normal distribution.
const z95 = 1.959963984540054

// Wilson returns the 95 % Wilson score interval of k successes in n trials, as fractions; [0, 1] when n is 0.
func Wilson(k, n int) [2]float64 {
	if n <= 0 {
		return [2]float64{0, 1}
	}
	p, m := float64(k)/float64(n), float64(n)
	centre := p + z95*z95/(2*m)
	half := z95 * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	scale := 1 + z95*z95/m
	lo, hi := (centre-half)/scale, (centre+half)/scale
	if k == 0 {
		lo = 0 // exactly, not up to rounding
	}
	if k == n {
		hi = 1
	}
	return [2]float64{lo, hi}
}

// Difference compares two policies on the same episodes.
type Difference struct {
	Rate   float64    `json:"difference"` // success rate of the first minus that of the second
	CI95   [2]float64 `json:"ci95"`       // Newcombe 1998, method 10
	Better int        `json:"better"`     // episodes that only the first solved
	Worse  int        `json:"worse"`      // episodes that only the second solved
	Pairs  int        `json:"pairs"`
}

// PairedDifference compares the outcomes a and b of the same episodes in the same order. It panics unless they are of
// one length. With no episodes the interval is [-1, 1].
func PairedDifference(a, b []bool) Difference {
	if len(a) != len(b) {
		panic("eval: paired outcomes of different lengths")
	}
	if len(a) == 0 {
		return Difference{CI95: [2]float64{-1, 1}}
	}
	var both, first, second, none int
	for i := range a {
		switch {
		case a[i] && b[i]:
			both++
		case a[i]:
			first++
		case b[i]:
			second++
		default:
			none++
		}
	}
	n := len(a)
	p1, p2 := float64(both+first)/float64(n), float64(both+second)/float64(n)
	w1, w2 := Wilson(both+first, n), Wilson(both+second, n)
	phi := pairedPhi(both, first, second, none)
	d := p1 - p2
	below := squareAdd(p1-w1[0], w2[1]-p2, phi)
	above := squareAdd(p2-w2[0], w1[1]-p1, phi)
	return Difference{Rate: d, CI95: [2]float64{d - below, d + above}, Better: first, Worse: second, Pairs: n}
}

// squareAdd combines two one-sided widths whose errors correlate by phi.
func squareAdd(x, y, phi float64) float64 {
	return math.Sqrt(max(0, x*x-2*phi*x*y+y*y))
}

// pairedPhi is Newcombe's correlation of a paired 2x2 table, continuity-corrected towards 0 when positive.
func pairedPhi(both, first, second, none int) float64 {
	a, b, c, d := float64(both), float64(first), float64(second), float64(none)
	margins := (a + b) * (c + d) * (a + c) * (b + d)
	if margins == 0 {
		return 0
	}
	num := a*d - b*c
	if num > 0 {
		num = max(0, num-(a+b+c+d)/2)
	}
	return num / math.Sqrt(margins)
}
