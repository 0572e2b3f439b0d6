package diffusion

import (
	"math"
	"testing"

	"korr/basepolicy"
)

// TestOverlapWeights: the source's equation 5, falling from below 1 to above 0.
func TestOverlapWeights(t *testing.T) {
	w := make([]float32, 6)
	overlapWeights(w, 2)
	for r, c := range []float64{0.75, 0.5, 0.25} {
		want := c * (math.Exp(c) - 1) / (math.E - 1)
		if math.Abs(float64(w[2*r])-want) > 1e-6 || w[2*r] != w[2*r+1] {
			t.Errorf("row %d: %v, want %.4f", r, w[2*r:2*r+2], want)
		}
	}
}

// TestSoftInpainting: the chunk holds what is committed and comes nearer to the rest
// of the plan than one that only holds it, and that nearer than one that ignores it.
func TestSoftInpainting(t *testing.T) {
	obs := noise("obs", 5)
	plan := make([]float32, 6*3)
	for i := range plan {
		plan[i] = 0.9
	}
	off := map[string]float64{}
	for _, how := range []string{InpaintSoft, InpaintPrefix, InpaintNone} {
		p := testPolicy(t, ArchUNet, "ddim:steps=6,warm=none,inpaint="+how)
		c, chunk := p.NewChunker().(*Chunker), make([]float32, 24)
		c.Reset(3)
		if err := c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: plan, Committed: 2}); err != nil {
			t.Fatal(err)
		}
		if how != InpaintNone {
			agree(t, how, chunk[:6], plan[:6], 1e-6)
		}
		for _, v := range chunk[6:9] {
			off[how] += math.Abs(float64(v) - 0.9)
		}
	}
	if !(off[InpaintSoft] < off[InpaintPrefix] && off[InpaintSoft] < off[InpaintNone]) {
		t.Errorf("distance from the plan after the committed actions: %v", off)
	}
}

// TestContinueRefuses: plans that do not fit.
func TestContinueRefuses(t *testing.T) {
	c, chunk, obs := testPolicy(t, ArchMLP, "ddim:steps=2").NewChunker().(*Chunker), make([]float32, 24), noise("obs", 5)
	for name, try := range map[string]struct {
		plan      []float32
		committed int
	}{
		"too long":           {make([]float32, 27), 1},
		"part of a row":      {make([]float32, 4), 1},
		"more than there is": {make([]float32, 3), 2},
		"negative":           {make([]float32, 3), -1},
		"not finite":         {[]float32{0, 0, float32(math.NaN())}, 1},
	} {
		if c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: try.plan, Committed: try.committed}) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := c.ChunkTo(chunk, obs, basepolicy.Rest{Actions: nil, Committed: 0}); err != nil {
		t.Error(err)
	}
}
