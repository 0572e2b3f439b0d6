package acting

import (
	"testing"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
)

func TestSettingsReplaceTheCheckpointsOwn(t *testing.T) {
	cfg := diffusion.Config{Arch: diffusion.ArchMLP, ObsDim: 2, ActDim: 2, Horizon: 2, StepDim: 4, Width: 4, Blocks: 1}
	n := &basepolicy.Normalizer{Min: []float32{0, 0}, Max: []float32{1, 1}}
	d := &diffusion.Policy{
		Net: diffusion.NewNetwork(cfg, nil), Process: diffusion.DefaultProcess(), Sampler: diffusion.DefaultSampler(),
		Obs: n, Act: n,
	}
	apply := func(base basepolicy.Policy, change func(*Config)) (basepolicy.Policy, error) {
		c := DefaultConfig()
		change(&c)
		return c.Apply(base)
	}
	for text, bad := range map[string]bool{"": false, "ddim:steps=4": false, "ddim:steps=101": true, "x": true} {
		d.Sampler = diffusion.DefaultSampler()
		if _, err := apply(d, func(c *Config) { c.Sampler = text }); (err != nil) != bad {
			t.Errorf("%q: %v", text, err)
		}
	}
	d.Sampler = diffusion.DefaultSampler()
	for text, bad := range map[string]bool{
		"reuse:n=2": false, "": false, "none": false, "speca": false, "bac": true, "hyca": true, "fast": true,
	} {
		if _, err := apply(d, func(c *Config) { c.Cache = text }); (err != nil) != bad {
			t.Errorf("cache %q: %v", text, err)
		}
		d.Cache = cache.Config{}
	}
	plain := basepolicy.NewMLP(basepolicy.MLPConfig{ObsDim: 2, ActDim: 2, Horizon: 1}, n, n, nil)
	p, err := apply(plain, func(c *Config) { c.Sampler, c.Ensemble = "ddim", "0.1" })
	if err != nil {
		t.Errorf("a sampler for a policy without one: %v", err)
	}
	if _, ok := p.(basepolicy.Ensembled); !ok {
		t.Error("nothing is averaged")
	}
	for text, want := range map[string]float64{"": 0.25, "0.5": 0.5, "0": 0, "none": -1} {
		rate := -1.0 // not averaged
		p, err := apply(basepolicy.Ensembled{Policy: plain, Rate: 0.25}, func(c *Config) { c.Ensemble = text })
		if e, ok := p.(basepolicy.Ensembled); ok {
			rate = e.Rate
			if e.Policy != basepolicy.Policy(plain) {
				t.Errorf("ensemble %q: averages twice", text)
			}
		}
		if err != nil || rate != want {
			t.Errorf("ensemble %q of a policy that averages at 0.25: rate %v, %v, want %v", text, rate, err, want)
		}
	}
	for _, text := range []string{"-1", "101", "NaN", "fast"} {
		if _, err := apply(plain, func(c *Config) { c.Ensemble = text }); err == nil {
			t.Errorf("ensemble %q was accepted", text)
		}
	}
	if _, err := apply(plain, func(c *Config) { c.Cache = "reuse" }); err == nil {
		t.Error("a cache for a policy without steps was accepted")
	}
}
