package carp

import (
	"math"
	"math/rand/v2"

	"korr/internal/nn"
)

// quantiser writes a latent sequence [n, width, length] as code words of a codebook, coarse scales first, each for what
// the ones before left (published: VectorQuantizer2). A scale of p positions looks the residual's averages over p equal
// parts up by cosine similarity, stretches the words found to the whole length by bicubic interpolation, and passes
// them through phi(h) = (1 - r) h + r conv(h).
type quantiser struct {
	cfg       *Config
	codebook  *nn.Param // [V, width]
	phi       []*conv   // of every scale; scales may share parameters
	down, up  [][]float32
	directory []float32 // codebook, normalised

	used    []int     // of every word, how often since the last revive
	queries []float32 // what was looked up last [.., width]

	n        int
	latent   []float32
	sums     [][]float32 // after every scale [n, width, length]
	words    [][]int     // of every scale [n*positions]
	rest, h  []float32
	stretch  []float32
	dh, dsum []float32
}

func newQuantiser(get params, name string, cfg *Config) *quantiser {
	q := &quantiser{cfg: cfg}
	q.codebook = get(name+".embedding.weight", nn.Uniform(1), cfg.Codebook, cfg.Width)
	length := cfg.latentLength()
	for s, p := range cfg.Scales {
		q.phi = append(q.phi, newConv(get, phiName(name, cfg.phiOf(s)), cfg.Width, cfg.Width, 3, 3, 1, 1))
		q.down, q.up = append(q.down, averages(p, length)), append(q.up, bicubic(p, length))
		q.sums, q.words = append(q.sums, nil), append(q.words, nil)
	}
	return q
}

// averages is the matrix [parts, length] of adaptive average pooling.
func averages(parts, length int) []float32 {
	m := make([]float32, parts*length)
	for i := range parts {
		from, to := i*length/parts, ((i+1)*length+parts-1)/parts
		for j := from; j < to; j++ {
			m[i*length+j] = 1 / float32(to-from)
		}
	}
	return m
}

// bicubic is the matrix [length, parts] of PyTorch's bicubic interpolation (A = -0.75, corners not aligned).
func bicubic(parts, length int) []float32 {
	m := make([]float32, length*parts)
	if parts == length { // the last scale is not stretched
		for i := range length {
			m[i*parts+i] = 1
		}
		return m
	}
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	for t := range length {
		at := (float64(t)+0.5)*float64(parts)/float64(length) - 0.5
		left := math.Floor(at)
		x := at - left
		for k, w := range []float64{far(x + 1), near(x), near(1 - x), far(2 - x)} {
			j := max(0, min(parts-1, int(left)-1+k))
			m[t*parts+j] += float32(w)
		}
	}
	return m
}

// start begins with no words.
func (q *quantiser) start(n int) {
	q.n = n
	size := n * q.cfg.Width * q.cfg.latentLength()
	q.rest, q.h, q.stretch = resize(q.rest, size), resize(q.h, size), resize(q.stretch, size)
	q.directory = resize(q.directory, len(q.codebook.Data))
	for at := 0; at < len(q.directory); at += q.cfg.Width {
		unit(q.directory[at:at+q.cfg.Width], q.codebook.Data[at:])
	}
	for s, p := range q.cfg.Scales {
		q.sums[s] = resize(q.sums[s], size)
		if cap(q.words[s]) < n*p {
			q.words[s] = make([]int, n*p)
		}
		q.words[s] = q.words[s][:n*p]
	}
}

// unit writes x divided by its length.
func unit(dst, x []float32) {
	var square float64
	for j := range dst {
		square += float64(x[j]) * float64(x[j])
	}
	r := 1 / math.Max(math.Sqrt(square), 1e-12)
	for j := range dst {
		dst[j] = float32(float64(x[j]) * r)
	}
}

// encode finds the words of latent.
func (q *quantiser) encode(latent []float32, n int) {
	q.start(n)
	q.latent, q.queries = latent, q.queries[:0]
	if q.used == nil {
		q.used = make([]int, q.cfg.Codebook)
	}
	copy(q.rest, latent)
	for s := range q.cfg.Scales {
		q.lookUp(s)
		q.accept(s)
		for i, v := range q.h {
			q.rest[i] -= v
		}
	}
}

// lookUp finds the words of scale s for the rest.
func (q *quantiser) lookUp(s int) {
	w, length, parts := q.cfg.Width, q.cfg.latentLength(), q.cfg.Scales[s]
	query := make([]float32, w)
	for i := range q.n {
		for p := range parts {
			for c := range w {
				var sum float32
				for j, v := range q.down[s][p*length : (p+1)*length] {
					sum += v * q.rest[(i*w+c)*length+j]
				}
				query[c] = sum
			}
			q.queries = append(q.queries, query...)
			unit(query, query)
			best, top := 0, float32(math.Inf(-1))
			for at := 0; at < len(q.directory); at += w {
				var dot float32
				for c, v := range query {
					dot += v * q.directory[at+c]
				}
				if dot > top {
					best, top = at/w, dot
				}
			}
			q.words[s][i*parts+p] = best
			q.used[best]++
		}
	}
}

// revive gives every word that was not used since the last time the meaning of something that was looked up lately.
func (q *quantiser) revive(rng *rand.Rand) {
	w := q.cfg.Width
	for word, n := range q.used {
		if n == 0 && len(q.queries) > 0 {
			copy(q.codebook.Data[word*w:(word+1)*w], q.queries[rng.IntN(len(q.queries)/w)*w:])
		}
	}
	clear(q.used)
}

// accept adds the words of scale s to the sum.
func (q *quantiser) accept(s int) {
	w, length, parts := q.cfg.Width, q.cfg.latentLength(), q.cfg.Scales[s]
	for i := range q.n {
		for c := range w {
			for t := range length {
				var sum float32
				for p, v := range q.up[s][t*parts : (t+1)*parts] {
					sum += v * q.codebook.Data[q.words[s][i*parts+p]*w+c]
				}
				q.stretch[(i*w+c)*length+t] = sum
			}
		}
	}
	r := float32(q.cfg.Residual)
	y, _ := q.phi[s].forward(q.stretchOf(s), q.n, length)
	for i, v := range y {
		q.h[i] = q.stretch[i]*(1-r) + v*r
		q.sums[s][i] = q.h[i]
		if s > 0 {
			q.sums[s][i] += q.sums[s-1][i]
		}
	}
}

// stretchOf is a copy of stretch that the scale's phi may keep for its gradient.
func (q *quantiser) stretchOf(s int) []float32 {
	x := resize(q.phi[s].x, len(q.stretch))
	copy(x, q.stretch)
	return x
}

// quantised is what all words make of the latent.
func (q *quantiser) quantised() []float32 { return q.sums[len(q.sums)-1] }

// loss is the mean over scales of beta (latent - sum)^2 + (sum - latent)^2, in which each side is a constant once.
func (q *quantiser) loss() float64 {
	var total float64
	for _, sum := range q.sums {
		for i, v := range sum {
			d := float64(v - q.latent[i])
			total += d * d
		}
	}
	return total * (1 + q.cfg.Beta) / float64(len(q.sums)*len(q.latent))
}

// backward adds the gradients of the loss to the codebook's and the phis', and that of the latent to dlatent.
func (q *quantiser) backward(dlatent []float32) {
	scale := float32(2 / float64(len(q.sums)*len(q.latent)))
	q.dsum, q.dh = resize(q.dsum, len(q.latent)), resize(q.dh, len(q.latent))
	clear(q.dsum)
	r := float32(q.cfg.Residual)
	for s := len(q.sums) - 1; s >= 0; s-- {
		for i, v := range q.sums[s] { // a word is in its scale's sum and in all finer ones
			d := scale * (v - q.latent[i])
			q.dsum[i] += d
			dlatent[i] -= float32(q.cfg.Beta) * d
			q.dh[i] = r * q.dsum[i]
		}
		g := q.phi[s].backward(q.dh)
		for i, v := range q.dsum {
			g[i] += (1 - r) * v
		}
		q.backwardWords(s, g)
	}
}

// backwardWords adds the gradient g of the stretched words of scale s to the codebook's.
func (q *quantiser) backwardWords(s int, g []float32) {
	w, length, parts := q.cfg.Width, q.cfg.latentLength(), q.cfg.Scales[s]
	for i := range q.n {
		for c := range w {
			for t := range length {
				for p, v := range q.up[s][t*parts : (t+1)*parts] {
					q.codebook.Grad[q.words[s][i*parts+p]*w+c] += v * g[(i*w+c)*length+t]
				}
			}
		}
	}
}

// inputTo writes what the transformer reads for scale s of sequence i, the sum of the coarser ones averaged over its
// positions: width values for each, the p-th at dst[p*stride].
func (q *quantiser) inputTo(dst []float32, i, s, stride int) {
	w, length := q.cfg.Width, q.cfg.latentLength()
	for p := range q.cfg.Scales[s] {
		for c := range w {
			var sum float32
			for j, v := range q.down[s][p*length : (p+1)*length] {
				sum += v * q.sums[s-1][(i*w+c)*length+j]
			}
			dst[p*stride+c] = sum
		}
	}
}
