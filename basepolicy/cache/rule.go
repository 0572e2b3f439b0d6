package cache

// maxOrder is the highest difference that is taken, maxHistory the features that needs.
const (
	maxOrder   = 4
	maxHistory = maxOrder + 1
)

type weights [maxHistory]float64

// rule weighs a history: back are its distances (back[0] = 0, rising), k > 0 is how
// far after its newest member the forecast is.
type rule func(w *weights, back []float64, k float64)

func reuseRule(w *weights, _ []float64, _ float64) { *w = weights{1} }

// differences writes the weights of D_0 .. D_order at the newest member, as far as
// the history goes, and returns the highest.
func differences(d *[maxOrder + 1]weights, back []float64, order int) int {
	order = min(order, len(back)-1)
	var at [maxHistory]weights // of D_i at every member
	for j := range back {
		at[j][j] = 1
	}
	d[0] = at[0]
	for i := 1; i <= order; i++ {
		for j := 0; j+i < len(back); j++ {
			gap := back[j+1] - back[j]
			for m := range at[j] {
				at[j][m] = (at[j][m] - at[j+1][m]) / gap
			}
		}
		d[i] = at[0]
	}
	return order
}

func (w *weights) add(x float64, d *weights) {
	for m, v := range d {
		w[m] += x * v
	}
}

// taylorRule is the sum of D_i k^i / i!.
func taylorRule(order int) rule {
	return func(w *weights, back []float64, k float64) {
		var d [maxOrder + 1]weights
		*w = weights{}
		x := 1.0
		for i := range differences(&d, back, order) + 1 {
			if i > 0 {
				x *= k / float64(i)
			}
			w.add(x, &d[i])
		}
	}
}

// hermiteRule is the sum of D_i s^i H_i(s k) / i!; k counts forward, so odd terms
// keep the sign of D_i.
func hermiteRule(order int, s float64) rule {
	return func(w *weights, back []float64, k float64) {
		var d [maxOrder + 1]weights
		*w = weights{}
		before, h, x := 0.0, 1.0, 1.0
		for i := range differences(&d, back, order) + 1 {
			w.add(x*h, &d[i])
			before, h = h, 2*s*k*h-2*float64(i)*before
			x *= s / float64(i+1)
		}
	}
}

// newtonRule is the polynomial through the order + 1 newest members.
func newtonRule(order int) rule {
	return func(w *weights, back []float64, k float64) {
		n := min(order+1, len(back))
		*w = weights{}
		for j := range n {
			w[j] = 1
			for m := range n {
				if m != j {
					w[j] *= (k + back[m]) / (back[m] - back[j])
				}
			}
		}
	}
}

// bdf2Rule is the second-order backward difference formula with the last slope in
// place of the implicit one. The variable coefficients are exact on lines for every
// k, the fixed ones for k = back[1].
func bdf2Rule(variable bool) rule {
	return func(w *weights, back []float64, k float64) {
		if len(back) < 2 {
			reuseRule(w, back, k)
			return
		}
		r := k / back[1]
		a, b, c := 4.0/3, 1.0/3, 2.0/3*r
		if variable {
			a, b, c = (1+r)*(1+r)/(1+2*r), r*r/(1+2*r), (1+r)/(1+2*r)*r
		}
		*w = weights{a + c, -b - c}
	}
}

// focaRule mixes the BDF2 forecast P with Heun's F_0 + (r d + P - F_0) / 2.
func focaRule(mix float64, variable bool) rule {
	bdf := bdf2Rule(variable)
	return func(w *weights, back []float64, k float64) {
		bdf(w, back, k)
		if len(back) < 2 {
			return
		}
		r := k / back[1]
		heun := weights{0.5 + r/2 + w[0]/2, -r/2 + w[1]/2}
		for j := range w {
			w[j] = mix*w[j] + (1-mix)*heun[j]
		}
	}
}

// adamsBashforthRule is F_0 + k (3 f_0 - f_1) / 2 with f the slopes between members.
func adamsBashforthRule(w *weights, back []float64, k float64) {
	if len(back) < 3 {
		taylorRule(1)(w, back, k)
		return
	}
	a, b := 1.5*k/back[1], 0.5*k/(back[2]-back[1])
	*w = weights{1 + a, -a - b, b}
}

// solvers is the pool that HyCa chooses from. Checkpoints hold the indices: append only.
var solvers = []struct {
	name string
	rule rule
}{
	{"reuse", reuseRule},
	{"taylor1", taylorRule(1)},
	{"taylor2", taylorRule(2)},
	{"bdf2", bdf2Rule(true)},
	{"ab2", adamsBashforthRule},
	{"hermite2", hermiteRule(2, 0.5)},
	{"newton2", newtonRule(2)},
}

// rule returns what the configuration forecasts with.
func (c Config) rule() rule {
	switch c.Method {
	case Taylor, SpeCa:
		return taylorRule(c.Order)
	case Newton:
		return newtonRule(c.Order)
	case HiCache, FreqCa:
		return hermiteRule(c.Order, c.Scale)
	case FoCa:
		return focaRule(c.Mix, c.BDF == "variable")
	}
	return reuseRule
}

// depth is the length of the history that the method looks at.
func (c Config) depth() int {
	switch c.Method {
	case Reuse, Adaptive:
		return 1
	case FoCa:
		return 2
	case HyCa:
		return 3
	}
	return c.Order + 1
}

// late reports whether differences are kept from step 2 on only, as in TaylorSeer and what builds on it.
func (c Config) late() bool { return c.Method == Taylor || c.Method == SpeCa }
