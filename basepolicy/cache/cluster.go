package cache

import (
	"math"
	"slices"
)

// observe gets ready to learn from features.
func (r *Recorder) observe() {
	r.dims = r.shape.ActDim
	if r.cfg.FeatureOf(r.net.Parts()) == FeatureStream {
		r.stream = r.net.Parts().Stream
		r.dims = r.stream.StreamDim() / r.shape.Horizon
	}
	r.size, r.behaviour = make([]float64, r.dims), make([]behaviour, r.dims)
	for range solvers {
		r.errors = append(r.errors, make([]float64, r.dims))
	}
}

// feature is what is cached of a call that gave y.
func (r *Recorder) feature(y []float32) []float32 {
	if r.stream == nil {
		return slices.Clone(y)
	}
	f := make([]float32, r.stream.StreamDim())
	r.stream.StreamTo(f)
	return f
}

// learn adds the run's features to the sums and forgets them.
func (r *Recorder) learn() {
	for _, y := range r.features {
		for i, v := range y {
			r.size[i%r.dims] += float64(v) * float64(v)
		}
	}
	for d := range r.behaviour {
		r.behaviour[d].add(r.features, d, r.dims)
	}
	for s := range solvers {
		r.addErrors(r.errors[s], solvers[s].rule)
	}
	r.features = r.features[:0]
}

// choose clusters the feature's dimensions by how they change over a run and gives each cluster the rule that forecasts
// it best on the runs' own features.
func (r *Recorder) choose(k *Calibration) {
	points := make([][]float64, r.dims)
	for d := range points {
		points[d] = r.behaviour[d].point()
	}
	k.Cluster = kmeans(points, min(r.cfg.Clusters, r.dims))
	k.Solvers, k.Names, k.Error = make([]int, r.dims), make([]string, r.dims), make([]float64, r.dims)
	for d := range r.dims {
		best, least := 0, math.Inf(1)
		for s := range solvers {
			var total float64
			for e, c := range k.Cluster {
				if c == k.Cluster[d] {
					total += r.errors[s][e] / math.Max(r.size[e], 1e-30)
				}
			}
			if total+1e-9 < 0.99*least { // the simpler one comes first
				best, least = s, total
			}
		}
		k.Solvers[d], k.Names[d] = best, solvers[best].name
		k.Error[d] = r.errors[best][d] / math.Max(r.size[d], 1e-30)
	}
}

// behaviour are sums that describe a dimension: of its squared values, first and second differences, and of how
// differences follow each other.
type behaviour struct{ value, first, second, follow float64 }

// add takes in dimension d of a run's features, whose rows are dims wide.
func (b *behaviour) add(run [][]float32, d, dims int) {
	for i := 2; i < len(run); i++ {
		x, y, z := run[i-2], run[i-1], run[i]
		for j := d; j < len(z); j += dims {
			before, now := float64(y[j]-x[j]), float64(z[j]-y[j])
			b.value += float64(z[j]) * float64(z[j])
			b.first += now * now
			b.second += (now - before) * (now - before)
			b.follow += now * before
		}
	}
}

// point is the size of the differences to that of the values, of second differences to that of the first, and how
// differences follow each other.
func (b *behaviour) point() []float64 {
	ratio := func(a, b float64) float64 { return math.Sqrt(a / math.Max(b, 1e-30)) }
	return []float64{ratio(b.first, b.value), ratio(b.second, b.first), b.follow / math.Max(b.first, 1e-30)}
}

// addErrors adds a rule's squared errors over the skipped steps of the run, for every dimension.
func (r *Recorder) addErrors(out []float64, rule rule) {
	c := &Cache{cfg: r.cfg, rule: rule, steps: make([]int, r.steps)}
	guess := make([]float32, len(r.features[0]))
	c.hist = newHistory(r.cfg.depth(), len(guess))
	for i, y := range r.features {
		if c.due(nil, i) {
			copy(c.hist.push(i), y)
			c.last = i
			continue
		}
		c.forecast(guess, i)
		for j, v := range guess {
			e := float64(v - y[j])
			out[j%len(out)] += e * e
		}
	}
}

// kmeans clusters points whose coordinates it standardises. It begins with the point
// nearest the mean and then takes the farthest from those taken, so it is deterministic.
func kmeans(points [][]float64, k int) []int {
	standardise(points)
	dims := len(points[0])
	centres := [][]float64{make([]float64, dims)}
	centres[0] = append([]float64(nil), points[nearest(points, centres[0])]...)
	for len(centres) < k {
		far, at := -1.0, 0
		for i, p := range points {
			if _, d := closest(centres, p); d > far {
				far, at = d, i
			}
		}
		centres = append(centres, append([]float64(nil), points[at]...))
	}
	of := make([]int, len(points))
	for range 100 {
		changed := false
		for i, p := range points {
			c, _ := closest(centres, p)
			changed = changed || c != of[i]
			of[i] = c
		}
		if !changed {
			break
		}
		for c := range centres {
			mean, n := make([]float64, dims), 0.0
			for i, p := range points {
				if of[i] == c {
					n++
					for j, v := range p {
						mean[j] += v
					}
				}
			}
			if n > 0 {
				for j := range mean {
					centres[c][j] = mean[j] / n
				}
			}
		}
	}
	return of
}

func standardise(points [][]float64) {
	n := float64(len(points))
	for j := range points[0] {
		var mean, square float64
		for _, p := range points {
			mean += p[j] / n
		}
		for _, p := range points {
			p[j] -= mean
			square += p[j] * p[j] / n
		}
		scale := math.Sqrt(math.Max(square, 1e-30))
		for _, p := range points {
			p[j] /= scale
		}
	}
}

// nearest is the index of the point nearest to x.
func nearest(points [][]float64, x []float64) int {
	at, _ := closest(points, x)
	return at
}

func closest(points [][]float64, x []float64) (at int, least float64) {
	least = math.Inf(1)
	for i, p := range points {
		var d float64
		for j, v := range p {
			d += (v - x[j]) * (v - x[j])
		}
		if d < least {
			at, least = i, d
		}
	}
	return at, least
}
