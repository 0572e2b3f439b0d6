package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/cmd/internal/cli"
	"korr/internal/seed"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
)

// compareOptions are the flags of korr bench base that compare samplers and caches on trained policies.
type compareOptions struct {
	*trainOptions
	policies, samplers, caches, inpaint []string
	episodes, chunks, lead              int
	ensemble                            float64
	plot                                string
}

// addComparison gives the verb what --policy makes of it.
func addComparison(cmd *cobra.Command, a *app) {
	o := &compareOptions{trainOptions: &trainOptions{app: a}}
	f := cmd.Flags()
	f.StringSliceVar(&o.policies, "policy", nil, "compare samplers and caches on these trained diffusion policies instead: `checkpoints`")
	f.StringArrayVar(&o.samplers, "sampler", nil, "with --policy: sampler, `NAME[:key=value,...]`; may be repeated, the first is the reference (default: 16 DDIM steps and fewer of each)")
	f.StringArrayVar(&o.caches, "cache", nil, "with --policy: cache on the first sampler, `NAME[:key=value,...]`; may be repeated, none = no cache at all (default: every method at several settings)")
	f.StringSliceVar(&o.inpaint, "inpaint", nil, "with --policy and --lead: also the reference with these: soft, prefix, none")
	f.Float64Var(&o.ensemble, "ensemble", -1, "with --policy: also the reference with overlapping chunks averaged at this rate; negative = not")
	f.IntVar(&o.chunks, "chunks", 64, "with --policy: demonstrated observations at which whole chunks are compared and timed")
	f.IntVar(&o.episodes, "episodes", 0, "with --policy: episodes for each setting; 0 = no simulation")
	f.IntVar(&o.lead, "lead", 0, "with --policy: control steps by which a chunk is planned ahead in the episodes")
	f.StringVar(&o.plot, "plot", "", "with --policy: draw success, or without episodes the chunk error, over time into this .png or .svg `file`")
	f.String("data", "", "with --policy: `folder` of demonstrations, as korr collect writes it")
	cli.SetKey(f, "data", "demos")
	steps := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(o.policies) == 0 {
			return steps(cmd, args)
		}
		return o.run(cmd.Context())
	}
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
	for _, n := range []int{2, 3, 4} {
		for _, m := range []string{"reuse", "taylor", "newton:order=1", "newton:order=2", "hicache", "foca", "foca:bdf=variable", "freqca", "hyca"} {
			sep := ":"
			if strings.Contains(m, ":") {
				sep = ","
			}
			out = append(out, fmt.Sprintf("%s%sn=%d", m, sep, n))
		}
	}
	for _, v := range []string{"0.1", "0.3", "0.6"} {
		out = append(out, "adaptive:max=8,threshold="+v, "speca:tau="+v)
	}
	for _, v := range []string{"1", "2", "3"} {
		out = append(out, "adaptive:by=step,max=8,threshold="+v)
	}
	if network == diffusion.ArchTransformer {
		out = append(out, "freqca:feature=stream,n=2", "freqca:feature=stream,n=3", "freqca:feature=stream,n=4", "bac:updates=4", "bac:updates=6", "bac:updates=8")
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
func (o *compareOptions) settings(file string) ([]*setting, error) {
	var out []*setting
	var obs []float32
	add := func(sampler, text string, rate float64, inpaint string) error {
		p, err := o.loadPolicy(file)
		if err != nil {
			return err
		}
		d, ok := p.Base.(*diffusion.Policy)
		if !ok || p.Method != residual.MethodBase {
			return cli.UsageErrorf("%s is no checkpoint of a diffusion base policy", file)
		}
		s := &setting{file: file, network: d.Net.Config().Arch, text: text, rate: rate, policy: p}
		if s.sampler, err = diffusion.ParseSampler(sampler, d.Sampler); err != nil {
			return cli.Usage(err)
		}
		if inpaint != "" {
			s.sampler.Inpaint = inpaint
		}
		if s.cache, err = cache.Parse(text); err != nil {
			return cli.Usage(err)
		}
		d.Sampler, d.Cache = s.sampler, cache.Config{}
		if s.cache.Calibrated() {
			if obs == nil {
				if obs, err = o.demonstrated(d, o.chunks); err != nil {
					return err
				}
			}
			if _, err := d.Calibrate(s.cache, obs, o.Config.Seed+1); err != nil { // other noise than what is compared
				return err
			}
		}
		d.Cache = s.cache
		if err := d.Validate(); err != nil {
			return cli.Usage(err)
		}
		s.batch = d.NewBatch(1)
		if rate >= 0 {
			p.Base = basepolicy.Ensembled{Policy: d, Rate: rate}
		}
		out = append(out, s)
		return nil
	}
	samplers := o.samplers
	if len(samplers) == 0 {
		samplers = defaultSamplers()
	}
	for _, s := range samplers {
		if err := add(s, cache.None, -1, ""); err != nil {
			return nil, err
		}
	}
	for _, how := range o.inpaint {
		if err := add(samplers[0], cache.None, -1, how); err != nil {
			return nil, err
		}
	}
	if o.ensemble >= 0 {
		if err := add(samplers[0], cache.None, o.ensemble, ""); err != nil {
			return nil, err
		}
	}
	caches := o.caches
	if len(caches) == 0 {
		caches = defaultCaches(out[0].network)
	}
	for _, c := range caches {
		if c == cache.None {
			continue
		}
		if err := add(samplers[0], c, -1, ""); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *compareOptions) run(ctx context.Context) error {
	if o.chunks < 1 || o.episodes < 0 || o.lead < 0 {
		return cli.UsageErrorf("--chunks %d, --episodes %d, --lead %d: want at least 1, 0 and 0", o.chunks, o.episodes, o.lead)
	}
	var all [][]*setting
	for _, file := range o.policies {
		s, err := o.settings(file)
		if err != nil {
			return err
		}
		if h := s[0].policy.Base.About().Horizon; s[0].policy.Execute+o.lead > h || o.lead > s[0].policy.Execute {
			return cli.UsageErrorf("--lead %d and base.execute %d do not fit a chunk of %d actions", o.lead, s[0].policy.Execute, h)
		}
		if err := o.draw(ctx, s); err != nil {
			return err
		}
		all = append(all, s)
	}
	var results []comparison
	for _, s := range all {
		cells, err := o.play(ctx, s)
		if err != nil {
			return err
		}
		results = append(results, compareAll(s, cells)...)
	}
	return o.printComparison(results)
}

// draw lets every setting draw a chunk at each observation, in turn, so that a busy machine slows all of them.
func (o *compareOptions) draw(ctx context.Context, settings []*setting) error {
	d := settings[0].policy.Base.(*diffusion.Policy) // the reference is not ensembled
	obs, err := o.demonstrated(d, o.chunks)
	if err != nil {
		return err
	}
	p := o.progress("bench base", "observations", 1)
	dim, width := d.Obs.Dim(), d.Net.Config().Horizon*d.Net.Config().ActDim
	rngs := make([]*rand.Rand, 1)
	for i := range o.chunks {
		for _, s := range settings {
			if err := ctx.Err(); err != nil {
				return err
			}
			rngs[0] = seed.Stream(o.Config.Seed, "bench/chunks", uint64(i))
			y := drawn{chunk: make([]float32, width)}
			start := time.Now()
			if err := s.batch.ChunksTo(y.chunk, obs[i*dim:(i+1)*dim], nil, rngs); err != nil {
				return fmt.Errorf("%s: %w", s.name(), err)
			}
			y.ms, y.info = time.Since(start).Seconds()*1e3, s.batch.Info()
			s.drawn = append(s.drawn, y)
		}
		p.setOf(i+1, o.chunks)
	}
	p.finish(fmt.Sprintf("%d settings", len(settings)))
	return nil
}

// play plays the episodes of one checkpoint's settings on the same seeds.
func (o *compareOptions) play(ctx context.Context, settings []*setting) ([]eval.Cell, error) {
	if o.episodes == 0 {
		return nil, nil
	}
	spec := eval.Spec{Conditions: o.conditions()[:1], Episodes: o.episodes, Seed: o.Config.Seed, Workers: o.workers(), Open: eval.InProcess(o.newEnv)}
	for _, s := range settings {
		spec.Policies = append(spec.Policies, eval.Policy{Name: s.name(), New: func() (sim.Policy, error) {
			return newWatchedController(s.policy, o.lead, &s.sum)
		}})
	}
	p := o.progress("bench base", "episodes", 1)
	spec.Progress = func(done, total int) { p.setOf(done, total) }
	cells, err := eval.Evaluate(ctx, spec)
	if err == nil {
		p.finish(fmt.Sprintf("%d episodes", len(cells)*o.episodes))
	}
	return cells, err
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
