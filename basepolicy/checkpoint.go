package basepolicy

import (
	"encoding/json"
	"fmt"
	"strings"

	"korr/internal/layout"
	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// mlpFormat marks a checkpoint of an MLP policy, in its metadata.
const mlpFormat = "korr/basepolicy.MLP/1"

// SaveTo adds the policy to f with prefix before every tensor and metadata key,
// so that a larger checkpoint can contain it: the weights "net.*", the normalizers
// "obs.*" and "act.*", and configuration and origin in the metadata.
func (m *MLP) SaveTo(f *tensorfile.File, prefix string) error {
	cfg, err := json.Marshal(m.Config)
	if err != nil {
		return fmt.Errorf("base policy: %w", err)
	}
	origin, err := json.Marshal(m.Origin)
	if err != nil {
		return fmt.Errorf("base policy: %w", err)
	}
	f.SetMeta(prefix+"format", mlpFormat)
	f.SetMeta(prefix+"config", string(cfg))
	f.SetMeta(prefix+"origin", string(origin))
	m.Obs.SaveTo(f, prefix+"obs.")
	m.Act.SaveTo(f, prefix+"act.")
	nn.SaveParams(f, prefix+"net.", m.Net.Params())
	if m.Relative != nil {
		f.Add(prefix+relativeKey, m.Relative.Scale, m.Config.Horizon, layout.Vector)
	}
	return nil
}

// LoadMLPFrom reads what SaveTo added to f under the same prefix.
func LoadMLPFrom(f *tensorfile.File, prefix string) (*MLP, error) {
	if got := f.Meta[prefix+"format"]; got != mlpFormat {
		return nil, fmt.Errorf("format is %q, want %q: not a base policy of this program", got, mlpFormat)
	}
	var cfg MLPConfig
	if err := json.Unmarshal([]byte(f.Meta[prefix+"config"]), &cfg); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"config", err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	var origin Origin
	if err := json.Unmarshal([]byte(f.Meta[prefix+"origin"]), &origin); err != nil {
		return nil, fmt.Errorf("metadata %q: %w", prefix+"origin", err)
	}
	// Before the network is allocated: the file must hold that many weights.
	stored := 0
	for i := range f.Tensors {
		if strings.HasPrefix(f.Tensors[i].Name, prefix+"net.") {
			stored += len(f.Tensors[i].F32)
		}
	}
	if stored != cfg.weights() {
		return nil, fmt.Errorf("the file holds %d weights, its configuration %+v needs %d", stored, cfg, cfg.weights())
	}
	obs, err := LoadNormalizer(f, prefix+"obs.", cfg.ObsDim-cfg.Features)
	if err != nil {
		return nil, err
	}
	act, err := LoadNormalizer(f, prefix+"act.", cfg.ActDim)
	if err != nil {
		return nil, err
	}
	m := NewMLP(cfg, obs, act, nil)
	m.Origin = origin
	if m.Relative != nil {
		if err := m.Relative.load(f, prefix); err != nil {
			return nil, err
		}
	}
	return m, nn.LoadParams(f, prefix+"net.", m.Net.Params())
}
