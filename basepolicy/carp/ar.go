package carp

import (
	"fmt"
	"math"
	"math/rand/v2"

	"korr/internal/nn"
)

// AR is the transformer. Reading it is safe from several goroutines while nobody trains it.
type AR struct {
	cfg        Config
	params     []*nn.Param
	start, pos *nn.Param // [1, U, C] of the first scale, [1, tokens, C]
	word, obs  *nn.Linear
	level      *nn.Param // [scales, C]
	blocks     []arBlock
	headNorm   *nn.Linear // condition to scale and shift
	head       *nn.Linear
}

type arBlock struct {
	scale         *nn.Param // logarithm of every head's factor
	qBias, vBias  *nn.Param
	qkv           *nn.Param // [3 C, C]
	proj, up, out *nn.Linear
	ada           *nn.Linear // condition to gates, scales and shifts, of attention and feed-forward each
}

// largestFactor bounds a head's factor.
const largestFactor = 100

// NewAR returns one with random weights, or with zeros from a nil rng. It panics on a configuration that Validate
// refuses.
func NewAR(cfg Config, rng *rand.Rand) *AR {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	a, b := layAR(cfg)
	a.params = b.Build(rng)
	return a
}

// layAR describes a transformer and its parameters, which have no memory yet.
func layAR(cfg Config) (*AR, *nn.Builder) {
	a, b, c := &AR{cfg: cfg}, &nn.Builder{}, cfg.Embed
	std := math.Sqrt(1 / float64(c) / 3)
	linear := func(name string, in, out int, share float64) *nn.Linear {
		return nn.NewLinearFrom(b, name, in, out, nn.Normal(std*share), nil)
	}
	deep := 1 / math.Sqrt(2*float64(cfg.Depth))
	a.start = b.Add("pos_start", nn.Normal(std), 1, cfg.Scales[0]*cfg.ActDim, c)
	a.pos = b.Add("pos_1LC", nn.Normal(std), 1, cfg.Tokens(), c)
	a.word, a.obs = linear("word_embed", cfg.Width, c, 1), linear("obs_embed", cfg.ObsDim, c, 1)
	a.level = b.Add("lvl_embed.weight", nn.Normal(std), len(cfg.Scales), c)
	for i := range cfg.Depth {
		name := fmt.Sprintf("blocks.%d.", i)
		k := arBlock{
			scale: b.Add(name+"attn.scale_mul_1H11", nn.Constant(float32(math.Log(4))), 1, cfg.Heads, 1, 1),
			qBias: b.Add(name+"attn.q_bias", nil, c), vBias: b.Add(name+"attn.v_bias", nil, c),
			qkv:  b.Add(name+"attn.mat_qkv.weight", nn.Normal(std), 3*c, c),
			proj: linear(name+"attn.proj", c, c, deep), up: linear(name+"ffn.fc1", c, cfg.MLPRatio*c, 1),
			out: linear(name+"ffn.fc2", cfg.MLPRatio*c, c, deep),
		}
		k.ada = nn.NewLinearFrom(b, name+"ada_lin.1", c, 6*c, func(data []float32, rng *rand.Rand) {
			nn.Normal(std/2)(data, rng)
			for j := range data[:2*c*c] { // gates start near zero
				data[j] *= 2e-5
			}
		}, nil)
		a.blocks = append(a.blocks, k)
	}
	a.headNorm = linear("head_nm.ada_lin.1", c, 2*c, 0.5)
	a.head = linear("head", c, cfg.Codebook, 0.02)
	return a, b
}

// Params are the parameters, neighbours in memory.
func (a *AR) Params() []*nn.Param { return a.params }

// begins is the first token of a scale, or the number of all for the one after the last.
func (a *AR) begins(scale int) int {
	n := 0
	for _, p := range a.cfg.Scales[:scale] {
		n += p * a.cfg.ActDim
	}
	return n
}

// Pass is one batch through an AR. It belongs to one goroutine.
type Pass struct {
	a        *AR
	n        int
	from, to int       // tokens of the last forward
	cond     []float32 // [n, C]
	obs      *nn.LinearPass
	silu     *nn.ActivationPass
	word     *nn.LinearPass
	blocks   []*arBlockPass
	headNorm *nn.LinearPass
	head     *nn.LinearPass
	last     modulation
	x        []float32 // [n*rows, C] embedded
	words    []float32 // what word read
	dcond    []float32
}

// NewPass returns memory for batches of up to maxBatch chunks.
func (a *AR) NewPass(maxBatch int) *Pass {
	c, rows := a.cfg.Embed, maxBatch*a.cfg.Tokens()
	p := &Pass{
		a: a, obs: a.obs.NewPass(maxBatch), silu: nn.Activation(nn.SiLU).NewPass(maxBatch * c),
		word: a.word.NewPass(rows), headNorm: a.headNorm.NewPass(maxBatch), head: a.head.NewPass(rows),
		x: make([]float32, rows*c),
	}
	for i := range a.blocks {
		p.blocks = append(p.blocks, a.blocks[i].newPass(&a.cfg, maxBatch))
	}
	return p
}

// Observe takes in observations [n, D]: before the scales of a batch.
func (p *Pass) Observe(obs []float32, n int) {
	p.n = n
	p.cond = p.obs.Forward(obs, n)
	act := p.silu.Forward(p.cond)
	for _, b := range p.blocks {
		b.m = b.ada.Forward(act, n)
	}
	p.last.m = p.headNorm.Forward(act, n)
}

// Scale returns the logits [n*positions*U, V] of a scale, after all coarser ones of the batch; they belong to the pass.
// words [n, positions, U, width] is what Tokens.InputTo writes, nil for the first scale.
func (p *Pass) Scale(words []float32, scale int) []float32 {
	return p.forward(words, p.a.begins(scale), p.a.begins(scale+1))
}

// Forward returns the logits [n*tokens, V] of all scales at once, for training: words [n, tokens - U, width] are those
// of all scales after the first, as the demonstrated chunk has them.
func (p *Pass) Forward(words []float32) []float32 { return p.forward(words, 0, p.a.cfg.Tokens()) }

func (p *Pass) forward(words []float32, from, to int) []float32 {
	p.from, p.to = from, to
	p.embed(words)
	rows := to - from
	x := p.x[:p.n*rows*p.a.cfg.Embed]
	for _, b := range p.blocks {
		x = b.forward(x, p, rows)
	}
	c := p.a.cfg.Embed
	return p.head.Forward(p.last.forward(x, p.n, rows, c, 2*c, 0, c), p.n*rows)
}

// embed writes the tokens' inputs.
func (p *Pass) embed(words []float32) {
	a, c, rows, first := p.a, p.a.cfg.Embed, p.to-p.from, p.a.begins(1)
	heads := max(0, min(p.to, first)-p.from) // tokens of the first scale
	var y []float32
	if rest := rows - heads; rest > 0 {
		p.words = words[:p.n*rest*a.cfg.Width]
		y = p.word.Forward(p.words, p.n*rest)
	}
	scale := 0
	for t := p.from; t < p.to; t++ {
		for t >= a.begins(scale+1) {
			scale++
		}
		level, pos := a.level.Data[scale*c:(scale+1)*c], a.pos.Data[t*c:(t+1)*c]
		for i := range p.n {
			dst := p.x[(i*rows+t-p.from)*c:][:c]
			if t < first {
				for j := range dst {
					dst[j] = p.cond[i*c+j] + a.start.Data[t*c+j]
				}
			} else {
				copy(dst, y[(i*(rows-heads)+t-p.from-heads)*c:])
			}
			for j := range dst {
				dst[j] += level[j] + pos[j]
			}
		}
	}
}

// Loss is the mean cross-entropy of the logits of Forward to the words [n, tokens]; Backward adds its gradients.
func (p *Pass) Loss(logits []float32, words []int) float64 {
	return crossEntropy(logits, words, p.a.cfg.Codebook)
}

// crossEntropy returns the mean loss and turns the logits into their gradient.
func crossEntropy(logits []float32, words []int, v int) float64 {
	var total float64
	for i, w := range words {
		row := logits[i*v : (i+1)*v]
		top := row[0]
		for _, x := range row {
			top = max(top, x)
		}
		var sum float64
		for _, x := range row {
			sum += math.Exp(float64(x - top))
		}
		total += math.Log(sum) - float64(row[w]-top)
		for j, x := range row {
			row[j] = float32(math.Exp(float64(x-top)) / sum / float64(len(words)))
		}
		row[w] -= 1 / float32(len(words))
	}
	return total / float64(len(words))
}

// Backward adds the parameters' gradients for the logits' gradient after Forward.
func (p *Pass) Backward(dlogits []float32) {
	a, c, rows := p.a, p.a.cfg.Embed, p.to-p.from
	p.dcond = resize(p.dcond, p.n*c)
	g := p.last.backward(p.head.Backward(dlogits), p.n, rows, c, 2*c, 0, c)
	act := p.headNorm.Backward(p.last.dm)
	copy(p.dcond, act)
	for i := len(p.blocks) - 1; i >= 0; i-- {
		g = p.blocks[i].backward(g, p, rows)
		for j, v := range p.blocks[i].ada.Backward(p.blocks[i].dm) {
			p.dcond[j] += v
		}
	}
	d := p.silu.Backward(p.dcond) // of the condition, where it sets the norms
	first := a.begins(1)
	dwords := make([]float32, 0, p.n*(rows-first)*c)
	for i := range p.n {
		scale := 0
		for t := range rows {
			for t >= a.begins(scale+1) {
				scale++
			}
			row := g[(i*rows+t)*c:][:c]
			for j, v := range row {
				a.level.Grad[scale*c+j] += v
				a.pos.Grad[t*c+j] += v
				if t < first {
					a.start.Grad[t*c+j] += v
					d[i*c+j] += v
				}
			}
			if t >= first {
				dwords = append(dwords, row...)
			}
		}
	}
	p.word.BackwardParams(dwords)
	p.obs.BackwardParams(d)
}
