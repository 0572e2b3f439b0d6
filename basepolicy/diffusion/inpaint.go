package diffusion

import (
	"fmt"
	"math"

	"korr/basepolicy"
)

// How a chunk goes on from actions that will be executed while it is drawn
// (real-time chunking, Black et al. 2025, arXiv 2506.07339).
const (
	InpaintSoft   = "soft"   // the committed actions are held, and the chunk leans on the rest of the old plan, ever less
	InpaintPrefix = "prefix" // the committed actions are held
	InpaintNone   = "none"   // the old plan is ignored
)

// Fixed says what of every chunk of a run is known. Committed values are kept at the
// noise level of the rest, so that the network completes them (in-painting); intended
// ones draw the predicted chunk toward themselves at every step. The source guides
// with a gradient through the network instead; this costs no call.
type Fixed struct {
	Values  []float32 // one chunk's first values: committed, then intended
	Noise   []float32 // of the committed ones, drawn once
	Weights []float32 // of the intended ones, in [0, 1]
}

// pin sets the committed values of every chunk to their value at step k.
func (f *Fixed) pin(x []float32, s *Schedule, width, k int) {
	for at := 0; at < len(x); at += width {
		s.AddNoiseTo(x[at:], f.Values[:len(f.Noise)], f.Noise, k)
	}
}

// lean moves the predicted chunks toward the intended values.
func (f *Fixed) lean(chunks []float32, width int) {
	want := f.Values[len(f.Noise):]
	for at := len(f.Noise); at < len(chunks); at += width {
		for i, w := range f.Weights {
			chunks[at+i] += w * (want[i] - chunks[at+i])
		}
	}
}

// overlapWeights writes the weights of the intended rows of width u, the source's
// equation 5: c (e^c - 1) / (e - 1), with c falling linearly from the last committed
// row, 1, to the first beyond the overlap, 0.
func overlapWeights(dst []float32, u int) {
	rows := len(dst) / u
	for r := range rows {
		c := float64(rows-r) / float64(rows+1)
		w := float32(c * (math.Exp(c) - 1) / (math.E - 1))
		for i := range u {
			dst[r*u+i] = w
		}
	}
}

// continueTo draws a chunk that goes on from what is committed of the rest, as the sampler's Inpaint has it. Unless
// that ignores the plan, a warm start begins from it.
func (c *Chunker) continueTo(chunk, obs []float32, rest basepolicy.Rest) error {
	b, plan, committed := c.batch, rest.Actions, rest.Committed
	u := b.cfg.ActDim
	if len(plan) > b.width || len(plan)%u != 0 || committed < 0 || committed*u > len(plan) || !finite(plan) {
		return fmt.Errorf("diffusion: a plan of %d values with %d committed actions for a chunk of %d values, or one that "+
			"is not finite",
			len(plan), committed, b.width)
	}
	if c.inpaint == InpaintNone {
		c.warmStart(nil)
		return c.chunkTo(chunk, obs, nil)
	}
	known := c.known[:committed*u]
	for i := range known {
		known[i] = float32(c.rngs[0].NormFloat64())
	}
	c.fixed = Fixed{Values: plan, Noise: known}
	if c.inpaint == InpaintPrefix {
		c.fixed.Values = plan[:len(known)]
	}
	c.fixed.Weights = c.lean[:len(c.fixed.Values)-len(known)]
	overlapWeights(c.fixed.Weights, u)
	if len(plan) > len(known) { // more than what is committed is there to begin from
		c.warmStart(plan)
	} else {
		c.warmStart(nil)
	}
	return c.chunkTo(chunk, obs, &c.fixed)
}
