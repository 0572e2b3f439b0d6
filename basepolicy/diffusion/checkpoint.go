package diffusion

import (
	"encoding/json"
	"fmt"
	"strings"

	"korr/basepolicy"
	"korr/basepolicy/cache"
	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// policyFormat marks a diffusion policy's checkpoint, in its metadata.
const policyFormat = "korr/diffusion.Policy/1"

func init() { basepolicy.Register(policyFormat, LoadFrom) }

// stored is the checkpoint's "config" metadata.
type stored struct {
	Network Config        `json:"network"`
	Process Process       `json:"process"`
	Sampler SamplerConfig `json:"sampler"`

	Cache        string              `json:"cache,omitempty"` // as cache.Parse reads it
	Calibrations []cache.Calibration `json:"calibrations,omitempty"`
}

// SaveTo implements basepolicy.Policy: the weights "net.*" in PyTorch's shapes,
// the normalizers "obs.*" and "act.*", configuration and origin in the metadata.
func (p *Policy) SaveTo(f *tensorfile.File, prefix string) error {
	if err := p.Validate(); err != nil {
		return err
	}
	cfg, err := json.Marshal(stored{p.Net.Config(), p.Process, p.Sampler, p.Cache.Text(), p.Calibrations})
	if err != nil {
		return fmt.Errorf("diffusion: %w", err)
	}
	origin, err := json.Marshal(p.Origin)
	if err != nil {
		return fmt.Errorf("diffusion: %w", err)
	}
	f.SetMeta(prefix+"format", policyFormat)
	f.SetMeta(prefix+"config", string(cfg))
	f.SetMeta(prefix+"origin", string(origin))
	p.Obs.SaveTo(f, prefix+"obs.")
	p.Act.SaveTo(f, prefix+"act.")
	nn.SaveParams(f, prefix+"net.", p.Net.Params())
	return nil
}

// LoadFrom reads what SaveTo added to f under prefix. It refuses another kind, and
// weights that are mis-shaped or not finite.
func LoadFrom(f *tensorfile.File, prefix string) (*Policy, error) {
	if got := f.Meta[prefix+"format"]; got != policyFormat {
		return nil, fmt.Errorf("format is %q, want %q: not a diffusion policy of this program", got, policyFormat)
	}
	var head stored
	if err := json.Unmarshal([]byte(f.Meta[prefix+"config"]), &head); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"config", err)
	}
	cfg := head.Network
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	have := 0
	for i := range f.Tensors {
		if strings.HasPrefix(f.Tensors[i].Name, prefix+"net.") {
			have += len(f.Tensors[i].F32)
		}
	}
	if want := cfg.Weights(); have != want { // before anything is allocated
		return nil, fmt.Errorf("the file holds %d weights, its configuration %+v needs %d", have, cfg, want)
	}
	p := &Policy{Net: NewNetwork(cfg, nil), Process: head.Process, Sampler: head.Sampler, Calibrations: head.Calibrations}
	if err := json.Unmarshal([]byte(f.Meta[prefix+"origin"]), &p.Origin); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"origin", err)
	}
	var err error
	if p.Cache, err = cache.Parse(head.Cache); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"config", err)
	}
	if p.Obs, err = basepolicy.LoadNormalizer(f, prefix+"obs.", cfg.ObsDim-cfg.Features); err != nil {
		return nil, err
	}
	if p.Act, err = basepolicy.LoadNormalizer(f, prefix+"act.", cfg.ActDim); err != nil {
		return nil, err
	}
	if err := nn.LoadParams(f, prefix+"net.", p.Net.Params()); err != nil {
		return nil, err
	}
	return p, p.Validate()
}
