package cache

import "math"

// choose clusters the action dimensions by how they change over a run and gives each
// cluster the rule that forecasts it best on the runs' own outputs.
func (r *Recorder) choose(k *Calibration) {
	u := r.shape.ActDim
	points := make([][]float64, u)
	for d := range points {
		points[d] = r.behaviour(d)
	}
	k.Cluster = kmeans(points, min(r.cfg.Clusters, u))
	off := make([][]float64, len(solvers)) // [solver][dimension] sums of squared errors
	for s := range solvers {
		off[s] = r.errors(solvers[s].rule)
	}
	size := make([]float64, u)
	for _, y := range r.outputs {
		for i, v := range y {
			size[i%u] += float64(v) * float64(v)
		}
	}
	k.Solvers, k.Names, k.Error = make([]int, u), make([]string, u), make([]float64, u)
	for d := range u {
		best, least := 0, math.Inf(1)
		for s := range solvers {
			var total float64
			for e, c := range k.Cluster {
				if c == k.Cluster[d] {
					total += off[s][e] / math.Max(size[e], 1e-30)
				}
			}
			if total+1e-9 < 0.99*least { // the simpler one comes first
				best, least = s, total
			}
		}
		k.Solvers[d], k.Names[d], k.Error[d] = best, solvers[best].name, off[best][d]/math.Max(size[d], 1e-30)
	}
}

// behaviour describes a dimension: size of its differences to that of its values, of
// its second differences to that of the first, and how differences follow each other.
func (r *Recorder) behaviour(d int) []float64 {
	u, n := r.shape.ActDim, r.steps
	var value, first, second, follow float64
	for run := 0; run < len(r.outputs); run += n {
		for i := 2; i < n; i++ {
			a, b, c := r.outputs[run+i-2], r.outputs[run+i-1], r.outputs[run+i]
			for j := d; j < len(c); j += u {
				before, now := float64(b[j]-a[j]), float64(c[j]-b[j])
				value += float64(c[j]) * float64(c[j])
				first += now * now
				second += (now - before) * (now - before)
				follow += now * before
			}
		}
	}
	ratio := func(a, b float64) float64 { return math.Sqrt(a / math.Max(b, 1e-30)) }
	return []float64{ratio(first, value), ratio(second, first), follow / math.Max(first, 1e-30)}
}

// errors sums a rule's squared errors over the skipped steps, for every dimension.
func (r *Recorder) errors(rule rule) []float64 {
	c := &Cache{cfg: r.cfg, rule: rule, steps: make([]int, r.steps)}
	out, guess := make([]float64, r.shape.ActDim), make([]float32, r.shape.Horizon*r.shape.ActDim)
	c.hist = newHistory(r.cfg.depth(), len(guess))
	for run := 0; run < len(r.outputs); run += r.steps {
		c.hist.reset()
		c.last = 0
		for i, y := range r.outputs[run : run+r.steps] {
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
	return out
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
