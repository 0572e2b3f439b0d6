package carp

import (
	"encoding/json"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// Policy draws chunks coarse to fine. It is a basepolicy.Policy.
type Policy struct {
	Tokenizer *Tokenizer
	AR        *AR
	Obs       *basepolicy.Normalizer // of raw observations (RawDim) to Dim D
	Act       *basepolicy.Normalizer // of raw actions, Dim U
	Origin    basepolicy.Origin
}

// Config describes the networks.
func (p *Policy) Config() Config { return p.AR.cfg }

// About implements basepolicy.Policy.
func (p *Policy) About() basepolicy.About {
	c := &p.AR.cfg
	return basepolicy.About{Horizon: c.Horizon, Obs: p.Obs, Act: p.Act, Origin: p.Origin, Features: c.Features}
}

// Validate reports parts that do not fit together.
func (p *Policy) Validate() error {
	c := &p.AR.cfg
	if p.Obs.Dim()+c.Features != c.ObsDim || p.Act.Dim() != c.ActDim {
		return fmt.Errorf("carp: normalizers of %d and %d dimensions for networks of %d and %d, with %d features",
			p.Obs.Dim(),
			p.Act.Dim(), c.ObsDim, c.ActDim, c.Features)
	}
	return nil
}

// NewChunker implements basepolicy.Policy.
func (p *Policy) NewChunker() basepolicy.ChunkPolicy {
	return &chunker{cfg: p.AR.cfg, decoder: NewDecoder(p.Tokenizer, p.AR, 1)}
}

// chunker draws one chunk at a time. Nothing is random, and nothing remembered.
type chunker struct {
	basepolicy.Stateless
	cfg     Config
	decoder *Decoder
}

func (c *chunker) Horizon() int { return c.cfg.Horizon }
func (c *chunker) ActDim() int  { return c.cfg.ActDim }

// ChunkInfo is the number of passes.
func (c *chunker) ChunkInfo() basepolicy.ChunkInfo {
	n := len(c.cfg.Scales)
	return basepolicy.ChunkInfo{Steps: n, Calls: float32(n)}
}

// ChunkTo implements basepolicy.ChunkPolicy. It refuses observations and chunks that are not finite.
func (c *chunker) ChunkTo(chunk, obs []float32, _ basepolicy.Rest) error {
	if len(obs) != c.cfg.ObsDim || len(chunk) != c.cfg.Horizon*c.cfg.ActDim {
		return fmt.Errorf("carp: %d observation values into a chunk of %d, want %d and %d", len(obs), len(chunk),
			c.cfg.ObsDim,
			c.cfg.Horizon*c.cfg.ActDim)
	}
	if !finite(obs) {
		return basepolicy.ErrNotFinite
	}
	c.decoder.ChunksTo(chunk, obs, 1)
	if !finite(chunk) {
		return basepolicy.ErrNotFinite
	}
	return nil
}

func finite(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

// format marks a policy's checkpoint, in its metadata.
const format = "korr/carp.Policy/1"

// Prefixes of the networks' tensors in a checkpoint.
const (
	tokenizerPrefix = "tokenizer."
	arPrefix        = "ar."
)

func init() { basepolicy.Register(format, LoadFrom) }

// SaveTo implements basepolicy.Policy: the weights "tokenizer.*" and "ar.*" under the published names, the normalizers
// "obs.*" and "act.*", configuration and origin in the metadata.
func (p *Policy) SaveTo(f *tensorfile.File, prefix string) error {
	if err := p.Validate(); err != nil {
		return err
	}
	cfg, err := json.Marshal(p.AR.cfg)
	if err != nil {
		return fmt.Errorf("carp: %w", err)
	}
	origin, err := json.Marshal(p.Origin)
	if err != nil {
		return fmt.Errorf("carp: %w", err)
	}
	f.SetMeta(prefix+"format", format)
	f.SetMeta(prefix+"config", string(cfg))
	f.SetMeta(prefix+"origin", string(origin))
	p.Obs.SaveTo(f, prefix+"obs.")
	p.Act.SaveTo(f, prefix+"act.")
	nn.SaveParams(f, prefix+tokenizerPrefix, p.Tokenizer.Params())
	nn.SaveParams(f, prefix+arPrefix, p.AR.Params())
	return nil
}

// LoadFrom reads what SaveTo added to f under prefix. It refuses another kind, and weights that are mis-shaped or not
// finite.
func LoadFrom(f *tensorfile.File, prefix string) (*Policy, error) {
	if got := f.Meta[prefix+"format"]; got != format {
		return nil, fmt.Errorf("format is %q, want %q: not a CARP policy of this program", got, format)
	}
	var cfg Config
	if err := json.Unmarshal([]byte(f.Meta[prefix+"config"]), &cfg); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"config", err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	have := 0
	for i := range f.Tensors {
		name := f.Tensors[i].Name
		if strings.HasPrefix(name, prefix+tokenizerPrefix) || strings.HasPrefix(name, prefix+arPrefix) {
			have += len(f.Tensors[i].F32)
		}
	}
	if want := cfg.Weights(); have != want { // before anything is allocated
		return nil, fmt.Errorf("the file holds %d weights, its configuration %+v needs %d", have, cfg, want)
	}
	p := &Policy{Tokenizer: NewTokenizer(cfg, nil), AR: NewAR(cfg, nil)}
	err := json.Unmarshal([]byte(f.Meta[prefix+"origin"]), &p.Origin)
	if err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"origin", err)
	}
	if p.Obs, err = basepolicy.LoadNormalizer(f, prefix+"obs.", cfg.ObsDim-cfg.Features); err != nil {
		return nil, err
	}
	if p.Act, err = basepolicy.LoadNormalizer(f, prefix+"act.", cfg.ActDim); err != nil {
		return nil, err
	}
	if err := nn.LoadParams(f, prefix+tokenizerPrefix, p.Tokenizer.Params()); err != nil {
		return nil, err
	}
	return p, nn.LoadParams(f, prefix+arPrefix, p.AR.Params())
}
