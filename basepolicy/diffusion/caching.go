package diffusion

import (
	"fmt"
	"math/rand/v2"

	"korr/basepolicy/cache"
	"korr/internal/seed"
)

// drawing names what a calibration depends on besides the cache.
func (c SamplerConfig) drawing() string {
	return fmt.Sprintf("%s:steps=%d,eta=%g", c.Method, c.Steps, c.Eta)
}

// calibration returns the one for cfg and the policy's sampler, or nil.
func (p *Policy) calibration(cfg cache.Config) *cache.Calibration {
	for i := range p.Calibrations {
		if p.Calibrations[i].Fits(cfg, p.Sampler.drawing()) {
			return &p.Calibrations[i]
		}
	}
	return nil
}

func (p *Policy) checkCache() error {
	if !p.Cache.On() {
		return nil
	}
	k := p.calibration(p.Cache)
	parts := NewDenoiser(p.Net, 1).Parts()
	if err := cache.Check(p.Cache, parts, k); err != nil || !p.Cache.Calibrated() {
		return err
	}
	cfg := p.Net.Config()
	dims := cfg.ActDim
	if p.Cache.FeatureOf(parts) == cache.FeatureStream {
		dims = cfg.Width
	}
	return k.Validate(dims, 2*cfg.Blocks, p.Sampler.Steps)
}

// Calibrate learns what the method cfg needs from full runs of the policy's sampler at
// the normalised observations obs [n*D], and keeps it with the policy in place of an
// older calibration of the same kind.
func (p *Policy) Calibrate(cfg cache.Config, obs []float32, s uint64) (cache.Calibration, error) {
	net := p.Net.Config()
	full := *p
	full.Cache = cache.Config{}
	if err := full.Validate(); err != nil {
		return cache.Calibration{}, err
	}
	rec, err := cache.NewRecorder(NewDenoiser(p.Net, 1), cfg, p.Sampler.Steps)
	if err != nil {
		return cache.Calibration{}, err
	}
	full.Wrap = func(Denoiser) Denoiser { return rec }
	b, chunk, rngs := full.NewBatch(1), make([]float32, net.Horizon*net.ActDim), make([]*rand.Rand, 1)
	for i := 0; i+net.ObsDim <= len(obs); i += net.ObsDim {
		rngs[0] = seed.Stream(s, "diffusion/calibrate", uint64(i/net.ObsDim))
		if err := b.ChunksTo(chunk, obs[i:i+net.ObsDim], nil, rngs); err != nil {
			return cache.Calibration{}, fmt.Errorf("calibrate %s: %w", cfg, err)
		}
	}
	k, err := rec.Calibration(p.Sampler.drawing())
	if err != nil {
		return k, err
	}
	if old := p.calibration(cfg); old != nil {
		*old = k
	} else {
		p.Calibrations = append(p.Calibrations, k)
	}
	return k, nil
}
