package diffusion

import (
	"fmt"
	"math"
	"math/rand/v2"

	"korr/basepolicy"
	"korr/internal/seed"
)

// Policy draws chunks from a trained network. It is a basepolicy.Policy; the
// network's weights are the averaged ones (EMA) of its training.
type Policy struct {
	Net     *Network
	Process Process
	Sampler SamplerConfig
	Obs     *basepolicy.Normalizer // of raw observations (RawDim) to Dim D
	Act     *basepolicy.Normalizer // of raw actions, Dim U
	Origin  basepolicy.Origin

	// Wrap, if not nil, puts a cache or its like around every denoiser made for this
	// policy. It is not saved.
	Wrap func(Denoiser) Denoiser
}

// Validate reports parts that do not fit together.
func (p *Policy) Validate() error {
	cfg := p.Net.Config()
	if p.Obs.Dim() != cfg.ObsDim || p.Act.Dim() != cfg.ActDim {
		return fmt.Errorf("diffusion: normalizers of %d and %d dimensions for a network of %d and %d", p.Obs.Dim(), p.Act.Dim(), cfg.ObsDim, cfg.ActDim)
	}
	if err := p.Process.Validate(); err != nil {
		return err
	}
	return p.Sampler.Validate(p.Process)
}

// About implements basepolicy.Policy.
func (p *Policy) About() basepolicy.About {
	return basepolicy.About{Horizon: p.Net.Config().Horizon, Obs: p.Obs, Act: p.Act, Origin: p.Origin}
}

// NewChunker returns a chunk policy that draws one chunk at a time. It is a
// basepolicy.Resetter, WarmStarter and Continuer.
func (p *Policy) NewChunker() basepolicy.ChunkPolicy {
	c := &Chunker{batch: p.NewBatch(1), rngs: make([]*rand.Rand, 1)}
	c.rest, c.known = make([]float32, c.batch.width), make([]float32, c.batch.width)
	c.Reset(0)
	return c
}

// Batch draws chunks for many environments at once. It belongs to one goroutine.
type Batch struct {
	cfg     Config
	warm    string
	sampler *Sampler
	den     Denoiser
	width   int // H*U
}

// NewBatch returns a Batch of up to maxBatch chunks. It panics on a policy that
// Validate refuses.
func (p *Policy) NewBatch(maxBatch int) *Batch {
	if err := p.Validate(); err != nil {
		panic(err.Error())
	}
	cfg := p.Net.Config()
	b := &Batch{cfg: cfg, warm: p.Sampler.Warm, den: NewDenoiser(p.Net, maxBatch), width: cfg.Horizon * cfg.ActDim}
	if p.Wrap != nil {
		b.den = p.Wrap(b.den)
	}
	b.sampler = NewSampler(NewSchedule(p.Process), p.Sampler, b.width, maxBatch)
	return b
}

// Sampler returns the batch's sampler.
func (b *Batch) Sampler() *Sampler { return b.sampler }

// ChunksTo fills chunks [n*H*U] (normalised) for normalised observations obs
// [n*D]. rests [n*H*U] are the last chunks shifted to the present by RestTo, for a
// warm start; nil is a cold one. Chunk i draws from rngs[i] alone, so that it does
// not depend on its batch. It refuses observations and chunks that are not
// finite. It allocates nothing.
func (b *Batch) ChunksTo(chunks, obs, rests []float32, rngs []*rand.Rand) error {
	return b.chunksTo(chunks, obs, rests, rngs, nil)
}

func (b *Batch) chunksTo(chunks, obs, rests []float32, rngs []*rand.Rand, fixed *Fixed) error {
	n := len(rngs)
	if len(obs) != n*b.cfg.ObsDim || len(chunks) != n*b.width || rests != nil && len(rests) != len(chunks) {
		return fmt.Errorf("diffusion: %d observation values and %d of the last chunks into chunks of %d, want %d and %d for %d",
			len(obs), len(rests), len(chunks), n*b.cfg.ObsDim, n*b.width, n)
	}
	if !finite(obs) {
		return basepolicy.ErrNotFinite
	}
	for i := range chunks {
		chunks[i] = float32(rngs[i/b.width].NormFloat64())
	}
	from := b.sampler.Start(chunks, rests)
	b.sampler.Run(chunks, b.den, obs, from, n, rngs, fixed)
	if !finite(chunks) {
		return basepolicy.ErrNotFinite
	}
	return nil
}

// RestTo turns what was not executed of a chunk into a whole chunk dst [H*U] for
// ChunksTo. The end repeats the last action; in a published warm start it is
// zero.
func (b *Batch) RestTo(dst, rest []float32) {
	k, u := copy(dst, rest), b.cfg.ActDim
	if b.warm == WarmPublished || k < u {
		clear(dst[k:])
		return
	}
	for ; k < len(dst); k += u {
		copy(dst[k:], dst[k-u:k])
	}
}

// Chunker draws one chunk at a time.
type Chunker struct {
	batch *Batch
	rngs  []*rand.Rand // one
	rest  []float32
	warm  bool
	known []float32 // noise of the values that are fixed
	fixed Fixed
}

// Horizon is H.
func (c *Chunker) Horizon() int { return c.batch.cfg.Horizon }

// ActDim is U.
func (c *Chunker) ActDim() int { return c.batch.cfg.ActDim }

// Reset starts the episode's random numbers and forgets the last chunk.
func (c *Chunker) Reset(s uint64) {
	c.rngs[0] = seed.Stream(s, "diffusion/noise", 0)
	c.WarmStart(nil)
}

// WarmStart implements basepolicy.WarmStarter.
func (c *Chunker) WarmStart(rest []float32) {
	c.batch.RestTo(c.rest, rest)
	// The published policies take a last chunk of zeros at an episode's start.
	c.warm = len(rest) > 0 || c.batch.warm == WarmPublished
}

// ChunkTo implements basepolicy.ChunkPolicy.
func (c *Chunker) ChunkTo(chunk, obs []float32) error { return c.chunkTo(chunk, obs, nil) }

func (c *Chunker) chunkTo(chunk, obs []float32, fixed *Fixed) error {
	var rests []float32
	if c.warm {
		rests = c.rest
	}
	return c.batch.chunksTo(chunk, obs, rests, c.rngs, fixed)
}

// ContinueTo is ChunkTo for a chunk whose first rows are committed: they are held
// at the noise level of the rest while that is drawn to fit them (in-painting).
func (c *Chunker) ContinueTo(chunk, obs, committed []float32) error {
	if len(committed) == 0 {
		return c.ChunkTo(chunk, obs)
	}
	if len(committed) > len(c.known) || !finite(committed) {
		return fmt.Errorf("diffusion: %d committed values of a chunk of %d, or some not finite", len(committed), len(c.known))
	}
	known := c.known[:len(committed)]
	for i := range known {
		known[i] = float32(c.rngs[0].NormFloat64())
	}
	c.fixed = Fixed{Values: committed, Noise: known}
	c.warm = false
	return c.chunkTo(chunk, obs, &c.fixed)
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}
