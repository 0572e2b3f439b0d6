package carp

import (
	"fmt"
	"math"
	"math/rand/v2"

	"korr/internal/nn"
)

// Config describes a tokeniser and the transformer on its tokens. The zero value of what the source fixed is refused.
type Config struct {
	ObsDim    int     `json:"obs_dim"` // D, width of what is read
	ActDim    int     `json:"act_dim"` // U, width of an action: one tokeniser for each
	Horizon   int     `json:"horizon"` // H, actions in a chunk: 4 times the finest scale
	Codebook  int     `json:"codebook"`
	Width     int     `json:"code_width"`
	Channels  int     `json:"channels"`
	Mult      [2]int  `json:"channel_mult"`
	Scales    []int   `json:"scales"`     // positions, coarse to fine
	PhiLayers int     `json:"phi_layers"` // that the scales share
	Residual  float64 `json:"quant_resi"` // r of phi
	Beta      float64 `json:"beta"`       // weight of the commitment
	Embed     int     `json:"embed_dim"`  // of the transformer
	Depth     int     `json:"depth"`
	Heads     int     `json:"heads"`
	MLPRatio  int     `json:"mlp_ratio"`
	Features  int     `json:"features,omitempty"` // of ObsDim, at its end: the task's features
}

// Published are the source's sizes, but for what is read.
func Published() Config {
	return Config{
		ActDim: 10, Horizon: 16, Codebook: 512, Width: 8, Channels: 2, Mult: [2]int{2, 4}, Scales: []int{1, 2, 3, 4},
		PhiLayers: 4, Residual: 0.5, Beta: 0.25, Embed: 64, Depth: 8, Heads: 8, MLPRatio: 4,
	}
}

// Weights counts the parameters of a valid configuration without making them.
func (c Config) Weights() int {
	b := &nn.Builder{}
	newTokens(&c, once(b, map[string]*nn.Param{}))
	_, a := layAR(c)
	return b.Size() + a.Size()
}

// maxSize bounds what a file may ask for.
const maxSize = 1 << 14

// Validate reports sizes that make no network.
func (c *Config) Validate() error {
	sizes := []int{
		c.ObsDim, c.ActDim, c.Horizon, c.Codebook, c.Width, c.Channels, c.Mult[0], c.Mult[1], c.PhiLayers, c.Embed, c.Depth,
		c.Heads, c.MLPRatio, len(c.Scales),
	}
	for _, n := range append(sizes, c.Scales...) {
		if n < 1 || n > maxSize {
			return fmt.Errorf("carp: sizes %+v are outside 1 to %d", *c, maxSize)
		}
	}
	for i := 1; i < len(c.Scales); i++ {
		if c.Scales[i] <= c.Scales[i-1] {
			return fmt.Errorf("carp: scales %v do not grow", c.Scales)
		}
	}
	switch last := c.Scales[len(c.Scales)-1]; {
	case c.Depth > 64 || c.Tokens() > maxSize || c.Channels*c.Mult[1] > maxSize:
		return fmt.Errorf("carp: sizes %+v are too large", *c)
	case c.Horizon != downSampling*last:
		return fmt.Errorf("carp: a horizon of %d, want %d times the finest scale, %d", c.Horizon, downSampling, last)
	case c.Embed%c.Heads != 0:
		return fmt.Errorf("carp: embed_dim is %d, want a multiple of heads, %d", c.Embed, c.Heads)
	case !(c.Residual >= 0 && c.Residual <= 1) || !(c.Beta >= 0 && c.Beta <= 100):
		return fmt.Errorf("carp: quant_resi %v and beta %v, want 0 to 1 and 0 to 100", c.Residual, c.Beta)
	case c.Features < 0 || c.Features >= c.ObsDim:
		return fmt.Errorf("carp: %d of %d read values are features", c.Features, c.ObsDim)
	}
	return nil
}

// downSampling is how many actions a position of the latent stands for.
const downSampling = 4

func (c *Config) latentLength() int { return c.Horizon / downSampling }

// Tokens is the number of tokens of a chunk.
func (c *Config) Tokens() int {
	n := 0
	for _, s := range c.Scales {
		n += s
	}
	return n * c.ActDim
}

// phiOf is which of the shared phis a scale has: the one whose tick is nearest to its share of the way.
func (c *Config) phiOf(scale int) int {
	k := float64(c.PhiLayers)
	edge := 1 / 2.0 / k
	if c.PhiLayers == 4 {
		edge = 1 / 3.0 / k
	}
	at := float64(scale) / math.Max(1, float64(len(c.Scales)-1))
	best, least := 0, math.Inf(1)
	for i := range c.PhiLayers {
		tick := edge
		if c.PhiLayers > 1 {
			tick += float64(i) * (1 - 2*edge) / (k - 1)
		}
		if d := math.Abs(tick - at); d < least-1e-12 {
			best, least = i, d
		}
	}
	return best
}

func phiName(quantiser string, i int) string {
	return fmt.Sprintf("%s.quant_resi.qresi_ls.%d", quantiser, i)
}

// Tokenizer turns chunks into tokens and back: for every action dimension a one-dimensional VQ-VAE of several scales.
// Reading it is safe from several goroutines while nobody trains it.
type Tokenizer struct {
	cfg    Config
	params []*nn.Param
	byName map[string]*nn.Param
}

// NewTokenizer returns one with random weights, or with zeros from a nil rng. It panics on a configuration that
// Validate refuses. Parameters have the published names.
func NewTokenizer(cfg Config, rng *rand.Rand) *Tokenizer {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	t := &Tokenizer{cfg: cfg}
	b := &nn.Builder{}
	t.byName = map[string]*nn.Param{}
	newTokens(&t.cfg, once(b, t.byName))
	t.params = b.Build(rng)
	return t
}

// once adds a parameter to b the first time it is asked for, and gives it again afterwards.
func once(b *nn.Builder, known map[string]*nn.Param) params {
	return func(name string, start nn.Start, shape ...int) *nn.Param {
		p, ok := known[name]
		if !ok {
			p = b.Add(name, start, shape...)
			known[name] = p
		}
		return p
	}
}

// Params are the parameters, neighbours in memory.
func (t *Tokenizer) Params() []*nn.Param { return t.params }

// NewPass returns memory for batches.
func (t *Tokenizer) NewPass() *Tokens {
	return newTokens(&t.cfg, func(name string, _ nn.Start, _ ...int) *nn.Param { return t.byName[name] })
}

// Tokens is one batch through a Tokenizer. It belongs to one goroutine.
type Tokens struct {
	cfg              *Config
	dims             []*dimension
	n                int
	x, y, dy, dcoded [][]float32 // of every dimension
}

// dimension is the VQ-VAE of one.
type dimension struct {
	encoder, decoder chain
	quantiser        *quantiser
	latent           []float32 // copy: the quantiser keeps it
}

func newTokens(cfg *Config, get params) *Tokens {
	t := &Tokens{cfg: cfg}
	first, second := cfg.Channels*cfg.Mult[0], cfg.Channels*cfg.Mult[1]
	for d := range cfg.ActDim {
		e, q := fmt.Sprintf("encoders.%d.", d), fmt.Sprintf("quantizers.%d", d)
		v, post := fmt.Sprintf("decoders.%d.", d), fmt.Sprintf("post_quant_convs.%d", d)
		t.dims = append(t.dims, &dimension{
			encoder: chain{
				newConv(get, e+"conv_in", 1, cfg.Channels, 3, 1, 1, 1),
				newResBlock(get, e+"down_1.block_1", cfg.Channels, first),
				newConv(get, e+"down_1.downsample.conv", first, first, 3, 1, 2, 0),
				newResBlock(get, e+"down_1.block_2", first, first),
				newResBlock(get, e+"down_2.block_1", first, second),
				newConv(get, e+"down_2.downsample.conv", second, second, 3, 1, 2, 0),
				newResBlock(get, e+"down_2.block_2", second, second),
				newNorm(get, e+"norm_out", second), newSiLU(), newConv(get, e+"conv_out", second, cfg.Width, 3, 1, 1, 1),
				newConv(get, fmt.Sprintf("quant_convs.%d", d), cfg.Width, cfg.Width, 3, 3, 1, 1),
			},
			quantiser: newQuantiser(get, q, cfg),
			decoder: chain{
				newConv(get, post, cfg.Width, cfg.Width, 3, 3, 1, 1),
				newNorm(get, v+"norm_in", cfg.Width), newSiLU(), newConv(get, v+"conv_in", cfg.Width, second, 3, 1, 1, 1),
				newResBlock(get, v+"up_1.block_1", second, second), newTransposed(get, v+"up_1.upsample.conv_transpose", second),
				newResBlock(get, v+"up_1.block_2", second, first),
				newResBlock(get, v+"up_2.block_1", first, first), newTransposed(get, v+"up_2.upsample.conv_transpose", first),
				newResBlock(get, v+"up_2.block_2", first, cfg.Channels),
				newConv(get, v+"conv_out", cfg.Channels, 1, 3, 1, 1, 1),
			},
		})
	}
	t.x, t.y = make([][]float32, cfg.ActDim), make([][]float32, cfg.ActDim)
	t.dy, t.dcoded = make([][]float32, cfg.ActDim), make([][]float32, cfg.ActDim)
	return t
}

// Encode finds the tokens of normalised chunks [n, H, U].
func (t *Tokens) Encode(chunks []float32, n int) {
	t.n = n
	for d, v := range t.dims {
		t.x[d] = resize(t.x[d], n*t.cfg.Horizon)
		for i := range t.x[d] {
			t.x[d][i] = chunks[i*t.cfg.ActDim+d]
		}
		y, _ := v.encoder.forward(t.x[d], n, t.cfg.Horizon)
		v.latent = resize(v.latent, len(y))
		copy(v.latent, y)
		v.quantiser.encode(v.latent, n)
	}
}

// Begin starts a batch of n chunks whose tokens come scale by scale, by Accept.
func (t *Tokens) Begin(n int) {
	t.n = n
	for _, v := range t.dims {
		v.quantiser.start(n)
	}
}

// Accept takes in the words of a scale [n, positions, U].
func (t *Tokens) Accept(scale int, words []int) {
	u := t.cfg.ActDim
	for d, v := range t.dims {
		for i := range v.quantiser.words[scale] {
			v.quantiser.words[scale][i] = words[i*u+d]
		}
		v.quantiser.accept(scale)
	}
}

// WordsTo writes the words of a scale [n, positions, U].
func (t *Tokens) WordsTo(words []int, scale int) {
	u := t.cfg.ActDim
	for d, v := range t.dims {
		for i, w := range v.quantiser.words[scale] {
			words[i*u+d] = w
		}
	}
}

// InputTo writes what a transformer reads for a scale after the first, of chunk i: [positions, U, width].
func (t *Tokens) InputTo(dst []float32, i, scale int) {
	for d, v := range t.dims {
		v.quantiser.inputTo(dst[d*t.cfg.Width:], i, scale, t.cfg.ActDim*t.cfg.Width)
	}
}

// DecodeTo writes the chunks [n, H, U] that the words mean.
func (t *Tokens) DecodeTo(chunks []float32) {
	for d, v := range t.dims {
		t.y[d], _ = v.decoder.forward(v.quantiser.quantised(), t.n, t.cfg.latentLength())
		for i, x := range t.y[d] {
			chunks[i*t.cfg.ActDim+d] = x
		}
	}
}

// LatentTo writes a dimension's latent and what its words make of it, each [n, width, H/4].
func (t *Tokens) LatentTo(latent, quantised []float32, d int) {
	copy(latent, t.dims[d].latent)
	copy(quantised, t.dims[d].quantiser.quantised())
}

// Revive gives words of the codebooks that no Encode used since the last Revive another meaning.
func (t *Tokens) Revive(rng *rand.Rand) {
	for _, v := range t.dims {
		v.quantiser.revive(rng)
	}
}

// Losses of a dimension: mean squared and absolute error of the decoded chunks, and the quantiser's loss.
type Losses struct{ L2, L1, VQ float64 }

// Loss is that of every dimension, after Encode and DecodeTo. What is minimised is the sum of L2 and VQ.
func (t *Tokens) Loss(losses []Losses) (total float64) {
	for d, v := range t.dims {
		l := Losses{VQ: v.quantiser.loss()}
		for i, y := range t.y[d] {
			e := float64(y - t.x[d][i])
			l.L2 += e * e / float64(len(t.y[d]))
			l.L1 += math.Abs(e) / float64(len(t.y[d]))
		}
		losses[d] = l
		total += l.L2 + l.VQ
	}
	return total
}

// Backward adds the gradients of that sum. The decoder's goes to the latent straight through the words.
func (t *Tokens) Backward() {
	for d, v := range t.dims {
		t.dy[d] = resize(t.dy[d], len(t.y[d]))
		for i, y := range t.y[d] {
			t.dy[d][i] = 2 * (y - t.x[d][i]) / float32(len(t.y[d]))
		}
		g := v.decoder.backward(t.dy[d])
		t.dcoded[d] = resize(t.dcoded[d], len(g))
		copy(t.dcoded[d], g)
		v.quantiser.backward(t.dcoded[d])
		v.encoder.backward(t.dcoded[d])
	}
}

// Words are all words of the batch [n, tokens], as the transformer is to predict them.
func (t *Tokens) Words() []int {
	tokens, at := t.cfg.Tokens(), 0
	out := make([]int, t.n*tokens)
	for s, p := range t.cfg.Scales {
		for d, v := range t.dims {
			for i, w := range v.quantiser.words[s] {
				out[i/p*tokens+at+i%p*t.cfg.ActDim+d] = w
			}
		}
		at += p * t.cfg.ActDim
	}
	return out
}

// Inputs are what the transformer reads when the words are given, of all scales after the first [n, tokens - U, width].
func (t *Tokens) Inputs() []float32 {
	u, w := t.cfg.ActDim, t.cfg.Width
	rows := t.cfg.Tokens() - t.cfg.Scales[0]*u
	out, at := make([]float32, t.n*rows*w), 0
	for s := 1; s < len(t.cfg.Scales); s++ {
		for i := range t.n {
			t.InputTo(out[(i*rows+at)*w:], i, s)
		}
		at += t.cfg.Scales[s] * u
	}
	return out
}
