package acting

import (
	"fmt"
	"strconv"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/internal/setting"
)

// Config sets how a base policy acts.
type Config struct {
	Execute int `yaml:"execute"` // actions of a chunk executed before the next is planned
	// how a diffusion policy draws chunks: ddim, ddpm or dpm++, with
	// :steps=N,eta=X,warm=none|consistent|published,warm_step=K,inpaint=soft|prefix|none; empty = the checkpoint's own,
	// and in training ddim:steps=16,warm=consistent,warm_step=50
	Sampler string `yaml:"sampler"`
	// what saves a diffusion policy's network calls, NAME[:key=value,...] (docs/base-policies.md); none = nothing,
	// empty = the checkpoint's own
	Cache string `yaml:"cache"`
	// average overlapping chunks, the i-th oldest weighing exp(-ensemble i): a number from 0 to 100, or none; empty =
	// the checkpoint's own, which is none unless it was trained by an earlier version
	Ensemble string `yaml:"ensemble"`
}

// DefaultConfig leaves everything to the checkpoint and executes 4 actions of a chunk: a cloned policy
// that executes more of them is late to see a push, and one that executes 1 or 2 stalls where the demonstrator paused.
func DefaultConfig() Config { return Config{Execute: 4} }

// none is the ensemble of a policy whose chunks are executed as they are.
const none = "none"

// Validate reports the first setting that is out of range.
func (c *Config) Validate() error {
	_, known := c.rate()
	return setting.Check("acting", setting.AtLeast("execute", c.Execute, 1), known)
}

// rate is the number that the setting of the ensemble is, 0 where it is empty or none, and the rule for it.
func (c *Config) rate() (float64, setting.Rule) {
	known := setting.Rule{Key: "ensemble", OK: true}
	if c.Ensemble == "" || c.Ensemble == none {
		return 0, known
	}
	rate, err := strconv.ParseFloat(c.Ensemble, 64)
	known.OK = err == nil && rate >= 0 && rate <= basepolicy.MaxRate
	known.Want = fmt.Sprintf("is %q: use a number from 0 to %d, none, or leave it empty", c.Ensemble, basepolicy.MaxRate)
	return rate, known
}

// Apply returns the policy with what the settings name in place of its own. It changes the sampler and the cache of
// base itself.
func (c *Config) Apply(base basepolicy.Policy) (basepolicy.Policy, error) {
	chosen, err := cache.Parse(c.Cache)
	if err != nil {
		return nil, err
	}
	rate, known := c.rate()
	if err := setting.Below("base", setting.Check("acting", known)); err != nil {
		return nil, err
	}
	own, averaged := base.(basepolicy.Ensembled)
	if averaged {
		base = own.Policy
	}
	if d, ok := base.(*diffusion.Policy); ok {
		if c.Sampler != "" {
			if d.Sampler, err = diffusion.ParseSampler(c.Sampler, d.Sampler); err != nil {
				return nil, err
			}
		}
		if c.Cache != "" {
			d.Cache = chosen
		}
		if err := d.Validate(); err != nil {
			return nil, err
		}
	} else if chosen.On() {
		return nil, fmt.Errorf("base.cache is %s, but this base policy makes one network call a chunk: leave it out", chosen)
	}
	switch {
	case c.Ensemble == "" && averaged:
		return basepolicy.Ensembled{Policy: base, Rate: own.Rate}, nil
	case c.Ensemble == "" || c.Ensemble == none:
		return base, nil
	}
	return basepolicy.Ensembled{Policy: base, Rate: rate}, nil
}
