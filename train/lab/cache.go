package lab

import (
	"errors"
	"fmt"
	"io"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/basepolicy/diffusion"
	"korr/internal/usage"
	"korr/residual"
)

// CalibrateCaches chooses caches for a diffusion policy, the last of which becomes its own, calibrates those that need
// it on runs full runs of the sampler at demonstrated observations, says on w what that found, and writes the policy.
func (l *Lab) CalibrateCaches(w io.Writer, policy, out string, caches []string, runs int) error {
	p, err := l.LoadPolicy(policy)
	if err != nil {
		return err
	}
	d, ok := p.Base.(*diffusion.Policy)
	if !ok {
		return usage.Errorf("%s is no diffusion policy: there are no network calls to save", policy)
	}
	var obs []float32
	for _, text := range caches {
		c, err := cache.Parse(text)
		if err != nil {
			return usage.Wrap(err)
		}
		if c.Calibrated() {
			if obs == nil {
				if obs, err = l.Demonstrated(p, runs); err != nil {
					return err
				}
			}
			k, err := d.Calibrate(c, obs, l.Config.Seed)
			if err != nil {
				return err
			}
			if err := k.WriteText(w); err != nil {
				return err
			}
		}
		d.Cache = c
		if err := d.Validate(); err != nil {
			return usage.Wrap(err)
		}
	}
	if p.Method == residual.MethodBase {
		err = basepolicy.Save(out, d)
	} else {
		err = p.Save(out)
	}
	_, said := fmt.Fprintf(w, "%s: cache %s\n", out, d.Cache)
	return errors.Join(err, said)
}
