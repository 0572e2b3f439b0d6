package samplers

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/internal/seed"
	"korr/internal/usage"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
)

// Config says what to compare.
type Config struct {
	Files    []string // checkpoints of diffusion base policies
	Samplers []string // NAME[:key=value,...], the first is the reference; none: 16 DDIM steps and fewer of each sampler
	Caches   []string // on the first sampler, likewise; none: every method at several settings; [none]: no cache
	Inpaint  []string // the reference with these too: soft, prefix, none
	Ensemble float64  // the reference with overlapping chunks averaged at this rate too; negative: not
	Chunks   int      // observations at which whole chunks are compared and timed
	Episodes int      // for each setting; 0: no simulation
	Lead     int      // control steps by which a chunk is planned ahead in the episodes
	Seed     uint64

	// Load reads a checkpoint: a new policy with every call.
	Load func(file string) (*residual.Policy, error)
	// Observations returns what the base policy reads at n observations of demonstrations, one after the other.
	Observations func(p *residual.Policy, n int) ([]float32, error)

	Condition eval.Condition // of the episodes
	Workers   int
	Open      func(eval.Condition) (sim.Env, error)

	// Progress is told what is counted and how far it is, at least once with done = total.
	Progress func(what string, done, total int)
}

// setting is one line of the comparison.
type setting struct {
	file    string // checkpoint
	network string
	sampler diffusion.SamplerConfig
	cache   cache.Config
	text    string  // of the cache, as named
	rate    float64 // of ensembling; negative = off
	policy  *residual.Policy
	batch   *diffusion.Batch
	drawn   []drawn
	sum     borders
}

// drawn is one chunk.
type drawn struct {
	chunk []float32
	ms    float64
	info  basepolicy.ChunkInfo
}

// defaultCaches are every method's settings that are compared unless others are named; order is that of the sources.
func defaultCaches(network string) []string {
	var out []string
	methods := []string{
		"reuse", "taylor", "newton:order=1", "newton:order=2", "hicache", "foca", "foca:bdf=variable", "freqca", "hyca",
	}
	for _, n := range []int{2, 3, 4} {
		for _, m := range methods {
			sep := ":"
			if strings.Contains(m, ":") {
				sep = ","
			}
			out = append(out, fmt.Sprintf("%s%sn=%d", m, sep, n))
		}
	}
	for _, v := range []string{"0.1", "0.3", "0.6"} {
		out = append(out, "adaptive:max=8,threshold="+v)
	}
	out = append(out, "speca", "speca:tau=0.3,beta=0.05,min=3,max=8", "speca:tau=0.3,reject=now",
		"speca:tau=0.3,min=0,reject=now")
	for _, v := range []string{"1", "2", "3"} {
		out = append(out, "adaptive:by=step,max=8,threshold="+v)
	}
	if network == diffusion.ArchTransformer {
		for _, n := range []int{2, 3, 4} {
			out = append(out, fmt.Sprintf("freqca:feature=output,n=%d", n), fmt.Sprintf("hyca:feature=output,n=%d", n),
				fmt.Sprintf("taylor:feature=stream,n=%d", n))
		}
		out = append(out, "bac:updates=4", "bac:updates=6", "bac:updates=8", "bac:updates=6,heavy=0")
	}
	return out
}

// defaultSamplers are 16 DDIM steps, and the counts of calls that caches on them reach.
func defaultSamplers() []string {
	out := []string{"ddim:steps=16"}
	for _, n := range []int{9, 7, 6, 4, 2} {
		out = append(out, fmt.Sprintf("ddim:steps=%d", n), fmt.Sprintf("dpm++:steps=%d", n))
	}
	return append(out, "dpm++:steps=16")
}

// settings of one checkpoint, the reference first.
func (c *Config) settings(file string) ([]*setting, error) {
	var out []*setting
	var obs []float32
	add := func(sampler, text string, rate float64, inpaint string) error {
		p, err := c.Load(file)
		if err != nil {
			return err
		}
		d, ok := p.Base.(*diffusion.Policy)
		if !ok || p.Method != residual.MethodBase {
			return usage.Errorf("%s is no checkpoint of a diffusion base policy", file)
		}
		s := &setting{file: file, network: d.Net.Config().Arch, text: text, rate: rate, policy: p}
		if s.sampler, err = diffusion.ParseSampler(sampler, d.Sampler); err != nil {
			return usage.Wrap(err)
		}
		if inpaint != "" {
			s.sampler.Inpaint = inpaint
		}
		if s.cache, err = cache.Parse(text); err != nil {
			return usage.Wrap(err)
		}
		d.Sampler, d.Cache = s.sampler, cache.Config{}
		if s.cache.Calibrated() {
			if obs == nil {
				if obs, err = c.Observations(p, c.Chunks); err != nil {
					return err
				}
			}
			if _, err := d.Calibrate(s.cache, obs, c.Seed+1); err != nil { // other noise than what is compared
				return err
			}
		}
		d.Cache = s.cache
		if err := d.Validate(); err != nil {
			return usage.Wrap(err)
		}
		s.batch = d.NewBatch(1)
		if rate >= 0 {
			p.Base = basepolicy.Ensembled{Policy: d, Rate: rate}
		}
		out = append(out, s)
		return nil
	}
	samplers := c.Samplers
	if len(samplers) == 0 {
		samplers = defaultSamplers()
	}
	for _, s := range samplers {
		if err := add(s, cache.None, -1, ""); err != nil {
			return nil, err
		}
	}
	for _, how := range c.Inpaint {
		if err := add(samplers[0], cache.None, -1, how); err != nil {
			return nil, err
		}
	}
	if c.Ensemble >= 0 {
		if err := add(samplers[0], cache.None, c.Ensemble, ""); err != nil {
			return nil, err
		}
	}
	caches := c.Caches
	if len(caches) == 0 {
		caches = defaultCaches(out[0].network)
	}
	for _, text := range caches {
		if text == cache.None {
			continue
		}
		if err := add(samplers[0], text, -1, ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Run compares them: chunks at the same observations, in turn, and episodes on the same seeds.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.Chunks < 1 || c.Episodes < 0 || c.Lead < 0 {
		return nil, usage.Errorf("--chunks %d, --episodes %d, --lead %d: want at least 1, 0 and 0", c.Chunks,
			c.Episodes, c.Lead)
	}
	var all [][]*setting
	for _, file := range c.Files {
		s, err := c.settings(file)
		if err != nil {
			return nil, err
		}
		p := s[0].policy
		if h := p.Base.About().Horizon; p.Execute+c.Lead > h || c.Lead > p.Execute {
			return nil, usage.Errorf("--lead %d and base.execute %d do not fit a chunk of %d actions", c.Lead, p.Execute, h)
		}
		if err := c.draw(ctx, s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	r := &Report{Schema: schema, Chunks: c.Chunks, Episodes: c.Episodes, Lead: c.Lead}
	for _, s := range all {
		cells, err := c.play(ctx, s)
		if err != nil {
			return nil, err
		}
		r.Results = append(r.Results, compareAll(s, cells)...)
	}
	return r, nil
}

// draw lets every setting draw a chunk at each observation, in turn, so that a busy machine slows all of them.
func (c *Config) draw(ctx context.Context, settings []*setting) error {
	d := settings[0].policy.Base.(*diffusion.Policy) // the reference is not ensembled
	obs, err := c.Observations(settings[0].policy, c.Chunks)
	if err != nil {
		return err
	}
	dim, width := d.About().InputDim(), d.Net.Config().Horizon*d.Net.Config().ActDim
	rngs := make([]*rand.Rand, 1)
	for i := range c.Chunks {
		for _, s := range settings {
			if err := ctx.Err(); err != nil {
				return err
			}
			rngs[0] = seed.Stream(c.Seed, "bench/chunks", uint64(i))
			y := drawn{chunk: make([]float32, width)}
			start := time.Now()
			if err := s.batch.ChunksTo(y.chunk, obs[i*dim:(i+1)*dim], nil, rngs); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
			y.ms, y.info = time.Since(start).Seconds()*1e3, s.batch.Info()
			s.drawn = append(s.drawn, y)
		}
		c.Progress("observations", i+1, c.Chunks)
	}
	return nil
}

// play plays the episodes of one checkpoint's settings on the same seeds.
func (c *Config) play(ctx context.Context, settings []*setting) ([]eval.Cell, error) {
	if c.Episodes == 0 {
		return nil, nil
	}
	spec := eval.Spec{
		Conditions: []eval.Condition{c.Condition}, Episodes: c.Episodes, Seed: c.Seed, Workers: c.Workers,
		Open:     eval.InProcess(c.Open),
		Progress: func(done, total int) { c.Progress("episodes", done, total) },
	}
	for _, s := range settings {
		spec.Policies = append(spec.Policies, eval.Policy{Name: s.name(), New: func() (sim.Policy, error) {
			return newWatchedController(s.policy, c.Lead, &s.sum)
		}})
	}
	return eval.Evaluate(ctx, spec)
}

// name tells the settings of a checkpoint apart.
func (s *setting) name() string {
	name := fmt.Sprintf("%s:%d", s.sampler.Method, s.sampler.Steps)
	if s.sampler.Inpaint != "" {
		name += " inpaint=" + s.sampler.Inpaint
	}
	if s.rate >= 0 {
		name += fmt.Sprintf(" ensemble=%g", s.rate)
	}
	if s.cache.On() {
		name += " " + s.text
	}
	return name
}

// family groups settings in a figure.
func (s *setting) family() string {
	if s.cache.On() {
		return s.cache.Method
	}
	return s.sampler.Method
}

func quantile(v []float64, q float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(math.Ceil(q*float64(len(v))))-1)]
}
