package koopman

import (
	"bytes"
	"encoding/json"
	"fmt"

	"korr/internal/nn"
	"korr/internal/tensorfile"
)

// Names within a file, after the caller's prefix.
const (
	configKey = "config"
	phiPrefix = "phi."

	innovationName = "monitor.innovation"
)

// former are switches of training that models up to commit c1b008f hold. They do not change what a model predicts.
type former struct {
	StopTarget bool `json:"stop_target"`
	ZeroLift   bool `json:"zero_lift"`
}

// SaveTo adds the model to f: tensors prefix+"phi.0.weight" ..., prefix+"A",
// prefix+"B", prefix+"N" if it is bilinear, and its Config as JSON in the metadata under prefix+"config".
func (m *Model) SaveTo(f *tensorfile.File, prefix string) {
	b, err := json.Marshal(m.cfg)
	if err != nil {
		panic(err) // Config.check admits finite numbers only
	}
	f.SetMeta(prefix+configKey, string(b))
	nn.SaveParams(f, prefix+phiPrefix, m.Phi.Params())
	nn.SaveParams(f, prefix, m.dynamics())
	saveMonitor(f, prefix+innovationName, m.Innovation)
}

// LoadFrom returns the model that SaveTo stored under prefix. The error wraps
// ErrConfig or one of tensorfile's.
func LoadFrom(f *tensorfile.File, prefix string) (*Model, error) {
	text, ok := f.Meta[prefix+configKey]
	if !ok {
		return nil, fmt.Errorf("%w: the file's metadata has no %q; it holds no Koopman model", ErrConfig, prefix+configKey)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	var stored struct {
		Config
		former
	}
	if err := dec.Decode(&stored); err != nil {
		return nil, fmt.Errorf("%w: %q: %v", ErrConfig, prefix+configKey, err)
	}
	cfg := stored.Config
	if err := cfg.check(); err != nil {
		return nil, err
	}
	if err := cfg.fits(f); err != nil {
		return nil, err
	}
	m, err := New(cfg, nil)
	if err != nil {
		return nil, err
	}
	if err := nn.LoadParams(f, prefix+phiPrefix, m.Phi.Params()); err != nil {
		return nil, fmt.Errorf("koopman: %w", err)
	}
	if err := nn.LoadParams(f, prefix, m.dynamics()); err != nil {
		return nil, fmt.Errorf("koopman: %w", err)
	}
	if m.Innovation, err = loadMonitor(f, prefix+innovationName, cfg.LatentDim); err != nil {
		return nil, fmt.Errorf("koopman: %w", err)
	}
	return m, nil
}

// fits refuses a configuration that needs more numbers than the file holds,
// before anything of that size is allocated.
func (c Config) fits(f *tensorfile.File) error {
	need, in := c.LatentDim*(c.LatentDim+c.ActDim), c.ObsDim
	if c.Bilinear {
		need += c.LatentDim * c.LatentDim
	}
	for _, h := range c.Hidden {
		need += h * (in + 1)
		in = h
	}
	need += in * (c.LatentDim - c.raw())
	held := 0
	for i := range f.Tensors {
		held += len(f.Tensors[i].F32)
	}
	if need > held {
		return fmt.Errorf("koopman: %w: the configuration needs %d numbers, the file holds %d", tensorfile.ErrShape,
			need, held)
	}
	return nil
}

// Save writes the model alone to path (see tensorfile.Write).
func (m *Model) Save(path string) error {
	f := &tensorfile.File{}
	m.SaveTo(f, "koopman.")
	if err := tensorfile.Write(path, f); err != nil {
		return fmt.Errorf("koopman: save: %w", err)
	}
	return nil
}

// Load reads a model that Save wrote.
func Load(path string) (*Model, error) {
	f, err := tensorfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("koopman: load: %w", err)
	}
	m, err := LoadFrom(f, "koopman.")
	if err != nil {
		return nil, fmt.Errorf("koopman: load %s: %w", path, err)
	}
	return m, nil
}
