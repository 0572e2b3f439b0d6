package basepolicy

import (
	"fmt"
	"math"
	"strconv"

	"korr/internal/tensorfile"
)

// Ensembled is a policy whose chunks are averaged with what earlier chunks meant to do
// at the same control steps (temporal ensembling: Zhao et al. 2023, arXiv 2304.13705).
// Of n predictions of one action, the i-th oldest weighs exp(-Rate i): 0 is the mean,
// more holds on to older plans.
type Ensembled struct {
	Policy
	Rate float64 // from 0 to MaxRate
}

// MaxRate is the largest rate: at 100 the oldest plan is all that counts.
const MaxRate = 100

// ensembleKey is the metadata of a policy whose chunks are averaged: the rate.
const ensembleKey = "ensemble"

// SaveTo adds the policy and the rate.
func (e Ensembled) SaveTo(f *tensorfile.File, prefix string) error {
	f.SetMeta(prefix+ensembleKey, strconv.FormatFloat(e.Rate, 'g', -1, 64))
	return e.Policy.SaveTo(f, prefix)
}

// ensembledAs wraps p if the file says that its chunks are averaged.
func ensembledAs(p Policy, f *tensorfile.File, prefix string) (Policy, error) {
	text, ok := f.Meta[prefix+ensembleKey]
	if !ok {
		return p, nil
	}
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil || !(rate >= 0 && rate <= MaxRate) {
		return nil, fmt.Errorf("metadata %q is %q, want a rate from 0 to %d", prefix+ensembleKey, text, MaxRate)
	}
	return Ensembled{Policy: p, Rate: rate}, nil
}

// NewChunker returns a chunk policy around the policy's own.
func (e Ensembled) NewChunker() ChunkPolicy {
	if !(e.Rate >= 0 && e.Rate <= MaxRate) {
		panic(fmt.Sprintf("basepolicy: an ensembling rate of %v", e.Rate))
	}
	p := e.Policy.NewChunker()
	c := &ensembler{ChunkPolicy: p, decay: math.Exp(-e.Rate)}
	c.rest, c.weight, c.next = make([]float32, p.Horizon()*p.ActDim()), make([]float64, p.Horizon()),
		make([]float64, p.Horizon())
	return c
}

type ensembler struct {
	ChunkPolicy
	decay  float64
	rest   []float32 // what earlier chunks mean, from the present step on
	rows   int       // of rest
	weight []float64 // of every row of the last chunk: the sum of its predictions' weights
	next   []float64 // and the weight of its next prediction
}

// Reset implements ChunkPolicy.
func (c *ensembler) Reset(seed uint64) {
	c.rows = 0
	c.ChunkPolicy.Reset(seed)
}

// remember takes over the rest of the last chunk.
func (c *ensembler) remember(rest []float32) {
	c.rows = copy(c.rest, rest) / c.ActDim()
	past := c.Horizon() - c.rows
	copy(c.weight, c.weight[past:])
	copy(c.next, c.next[past:])
}

// ChunkTo implements ChunkPolicy. Committed rows are the rest's.
func (c *ensembler) ChunkTo(chunk, obs []float32, rest Rest) error {
	c.remember(rest.Actions)
	if err := c.ChunkPolicy.ChunkTo(chunk, obs, rest); err != nil {
		return err
	}
	c.average(chunk, rest.Committed)
	return nil
}

// average mixes the rest into the chunk.
func (c *ensembler) average(chunk []float32, committed int) {
	u := c.ActDim()
	for r := range c.weight {
		if r >= c.rows {
			c.weight[r], c.next[r] = 1, c.decay
			continue
		}
		share := float32(c.next[r] / (c.weight[r] + c.next[r]))
		if r < committed {
			share = 0
		}
		for i := r * u; i < (r+1)*u; i++ {
			chunk[i] = c.rest[i] + share*(chunk[i]-c.rest[i])
		}
		c.weight[r] += c.next[r]
		c.next[r] *= c.decay
	}
	c.rows = 0
}
