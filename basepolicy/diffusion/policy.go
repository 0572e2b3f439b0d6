package diffusion

import (
	"fmt"
	"math"
	"math/rand/v2"

	"korr/basepolicy"
	"korr/basepolicy/cache"
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

	Cache        cache.Config // saves network calls; the zero value is none
	Calibrations []cache.Calibration

	// Wrap, if not nil, is put around every denoiser made for this policy, and its
	// cache. It is not saved.
	Wrap func(Denoiser) Denoiser
}

// Validate reports parts that do not fit together.
func (p *Policy) Validate() error {
	cfg := p.Net.Config()
	if p.Obs.Dim()+cfg.Features != cfg.ObsDim || p.Act.Dim() != cfg.ActDim {
		return fmt.Errorf("diffusion: normalizers of %d and %d dimensions for a network of %d and %d", p.Obs.Dim(),
			p.Act.Dim(), cfg.ObsDim, cfg.ActDim)
	}
	if err := p.Process.Validate(); err != nil {
		return err
	}
	if err := p.Sampler.Validate(p.Process); err != nil {
		return err
	}
	return p.checkCache()
}

// About implements basepolicy.Policy.
func (p *Policy) About() basepolicy.About {
	c := p.Net.Config()
	return basepolicy.About{Horizon: c.Horizon, Obs: p.Obs, Act: p.Act, Origin: p.Origin, Features: c.Features}
}

// NewChunker returns a chunk policy that draws one chunk at a time.
func (p *Policy) NewChunker() basepolicy.ChunkPolicy {
	c := &Chunker{batch: p.NewBatch(1), rngs: make([]*rand.Rand, 1), inpaint: p.Sampler.Inpaint}
	for _, p := range []*[]float32{&c.rest, &c.known, &c.lean} {
		*p = make([]float32, c.batch.width)
	}
	c.Reset(0)
	return c
}

// Batch draws chunks for many environments at once. It belongs to one goroutine.
type Batch struct {
	cfg     Config
	warm    string
	sampler *Sampler
	den     Denoiser
	info    func() basepolicy.ChunkInfo
	width   int // H*U
}

// NewBatch returns a Batch of up to maxBatch chunks. It panics on a policy that
// Validate refuses.
func (p *Policy) NewBatch(maxBatch int) *Batch {
	if err := p.Validate(); err != nil {
		panic(err.Error())
	}
	cfg := p.Net.Config()
	b := &Batch{cfg: cfg, warm: p.Sampler.Warm, width: cfg.Horizon * cfg.ActDim}
	direct := NewDenoiser(p.Net, maxBatch)
	b.den, b.info = direct, direct.Info
	if p.Cache.On() {
		c := cache.New(direct, p.Cache, p.calibration(p.Cache))
		b.den, b.info = c, c.Info
	}
	if p.Wrap != nil {
		b.den = p.Wrap(b.den)
	}
	b.sampler = NewSampler(NewSchedule(p.Process), p.Sampler, b.width, maxBatch)
	return b
}

// Sampler returns the batch's sampler.
func (b *Batch) Sampler() *Sampler { return b.sampler }

// Info is what the last batch of chunks took.
func (b *Batch) Info() basepolicy.ChunkInfo { return b.info() }

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
		return fmt.Errorf("diffusion: %d observation values and %d of the last chunks into chunks of %d, want %d and %d "+
			"for %d",
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

	inpaint string

	known []float32 // noise of the committed values
	lean  []float32 // weights of the intended ones
	fixed Fixed
}

// ChunkInfo implements basepolicy.ChunkPolicy.
func (c *Chunker) ChunkInfo() basepolicy.ChunkInfo { return c.batch.Info() }

// Horizon is H.
func (c *Chunker) Horizon() int { return c.batch.cfg.Horizon }

// ActDim is U.
func (c *Chunker) ActDim() int { return c.batch.cfg.ActDim }

// Reset starts the episode's random numbers and forgets the last chunk.
func (c *Chunker) Reset(s uint64) {
	c.rngs[0] = seed.Stream(s, "diffusion/noise", 0)
	c.warmStart(nil)
}

// warmStart begins the next chunk from what is left of the last.
func (c *Chunker) warmStart(rest []float32) {
	c.batch.RestTo(c.rest, rest)
	// The published policies take a last chunk of zeros at an episode's start.
	c.warm = len(rest) > 0 || c.batch.warm == WarmPublished
}

// ChunkTo implements basepolicy.ChunkPolicy.
func (c *Chunker) ChunkTo(chunk, obs []float32, rest basepolicy.Rest) error {
	if rest.Committed != 0 {
		return c.continueTo(chunk, obs, rest)
	}
	c.warmStart(rest.Actions)
	return c.chunkTo(chunk, obs, nil)
}

func (c *Chunker) chunkTo(chunk, obs []float32, fixed *Fixed) error {
	var rests []float32
	if c.warm {
		rests = c.rest
	}
	return c.batch.chunksTo(chunk, obs, rests, c.rngs, fixed)
}

func finite(x []float32) bool {
	for _, v := range x {
		if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
			return false
		}
	}
	return true
}
