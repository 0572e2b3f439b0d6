package carp

// Decoder draws chunks: the likeliest words scale by scale. It belongs to one goroutine, and allocates nothing after
// its first chunk.
type Decoder struct {
	// Watch, if not nil, is shown the logits and words of every scale.
	Watch func(scale int, logits []float32, words []int)

	cfg    Config
	tokens *Tokens
	pass   *Pass
	words  []int
	inputs []float32
}

// NewDecoder returns one for up to maxBatch chunks.
func NewDecoder(t *Tokenizer, a *AR, maxBatch int) *Decoder {
	last := a.cfg.Scales[len(a.cfg.Scales)-1] * a.cfg.ActDim * maxBatch
	return &Decoder{
		cfg: a.cfg, tokens: t.NewPass(), pass: a.NewPass(maxBatch), words: make([]int, last),
		inputs: make([]float32, last*a.cfg.Width),
	}
}

// ChunksTo writes the normalised chunks [n, H, U] for what is read [n, D].
func (d *Decoder) ChunksTo(chunks, obs []float32, n int) {
	u, w, v := d.cfg.ActDim, d.cfg.Width, d.cfg.Codebook
	d.tokens.Begin(n)
	d.pass.Observe(obs, n)
	for s, p := range d.cfg.Scales {
		var inputs []float32
		if s > 0 {
			inputs = d.inputs[:n*p*u*w]
			for i := range n {
				d.tokens.InputTo(inputs[i*p*u*w:], i, s)
			}
		}
		logits := d.pass.Scale(inputs, s)
		words := d.words[:n*p*u]
		for i := range words {
			words[i] = likeliest(logits[i*v : (i+1)*v])
		}
		if d.Watch != nil {
			d.Watch(s, logits, words)
		}
		d.tokens.Accept(s, words)
	}
	d.tokens.DecodeTo(chunks)
}

func likeliest(row []float32) int {
	best := 0
	for i, v := range row {
		if v > row[best] {
			best = i
		}
	}
	return best
}
