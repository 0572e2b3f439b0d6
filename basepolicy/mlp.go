package basepolicy

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"korr/internal/nn"
)

// ErrNotFinite marks a chunk that holds NaN or infinity: the observation was
// not finite, or the network is broken.
var ErrNotFinite = errors.New("base policy planned a chunk that is not finite")

// MLPConfig describes an MLP policy.
type MLPConfig struct {
	ObsDim  int   `json:"obs_dim"` // D, width of what is read: the normalised observation and the features
	ActDim  int   `json:"act_dim"` // U, width of an action
	Horizon int   `json:"horizon"` // H, actions in a chunk
	Hidden  []int `json:"hidden"`  // widths of the ReLU layers

	Features int `json:"features,omitempty"` // of ObsDim, at its end: the task's features

	Relative bool `json:"relative,omitempty"` // positions of a chunk are relative to the tool's (see Relative)
}

// maxWidth bounds every size in a configuration read from a file.
const maxWidth = 1 << 16

// Validate reports sizes that make no network.
func (c MLPConfig) Validate() error {
	for _, w := range append([]int{c.ObsDim, c.ActDim, c.Horizon, c.Horizon * c.ActDim}, c.Hidden...) {
		if w < 1 || w > maxWidth {
			return fmt.Errorf("base policy: sizes %+v are outside 1 to %d", c, maxWidth)
		}
	}
	if c.Features < 0 || c.Features >= c.ObsDim {
		return fmt.Errorf("base policy: %d of %d read values are features", c.Features, c.ObsDim)
	}
	return nil
}

// weights counts the parameters of the network.
func (c MLPConfig) weights() int {
	n, in := 0, c.ObsDim
	for _, w := range append(append([]int(nil), c.Hidden...), c.Horizon*c.ActDim) {
		n += (in + 1) * w
		in = w
	}
	return n
}

func (c MLPConfig) network() nn.MLPConfig {
	return nn.MLPConfig{In: c.ObsDim, Hidden: c.Hidden, Out: c.Horizon * c.ActDim, OutputBias: true, LastStd: 0.1}
}

// Origin says how a policy came about; it travels with the checkpoint.
type Origin struct {
	Task      string `json:"task"`
	Dataset   string `json:"dataset"`   // path or name of the demonstrations
	Simulator string `json:"simulator"` // fingerprint of the physics model they were collected in
	Seed      uint64 `json:"seed"`      // seed of the training run
	Training  string `json:"training"`  // training configuration, JSON
}

// MLP is chunked behaviour cloning: a multilayer perceptron from the normalised
// observation [D] to a whole normalised chunk [H*U]. Both normalizers belong to
// it. Planning goes through NewChunker, so that several goroutines can share
// one network.
type MLP struct {
	Config MLPConfig
	Net    *nn.MLP
	Obs    *Normalizer // of raw observations (RawDim) to Dim D
	Act    *Normalizer // of raw actions, Dim U
	Origin Origin

	Relative *Relative // nil unless Config says so
}

// NewMLP returns an untrained policy. It panics unless the configuration is
// valid and the normalizers fit it.
func NewMLP(cfg MLPConfig, obs, act *Normalizer, rng *rand.Rand) *MLP {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	if obs.Dim()+cfg.Features != cfg.ObsDim || act.Dim() != cfg.ActDim {
		panic(fmt.Sprintf("basepolicy: normalizers of %d and %d dimensions for %d and %d, with %d features",
			obs.Dim(), act.Dim(), cfg.ObsDim, cfg.ActDim, cfg.Features))
	}
	m := &MLP{Config: cfg, Net: nn.NewMLP(cfg.network(), rng), Obs: obs, Act: act}
	if cfg.Relative {
		m.Relative = NewRelative(cfg.Horizon, obs, act)
	}
	return m
}

// About implements Policy.
func (m *MLP) About() About {
	return About{Horizon: m.Config.Horizon, Obs: m.Obs, Act: m.Act, Origin: m.Origin, Features: m.Config.Features}
}

// NewChunker returns a ChunkPolicy with scratch of its own on the shared
// network. It sees later changes of the weights.
func (m *MLP) NewChunker() ChunkPolicy {
	return &mlpChunker{cfg: m.Config, eval: m.Net.Evaluator(), relative: m.Relative}
}

type mlpChunker struct {
	Stateless
	cfg  MLPConfig
	eval *nn.Evaluator

	relative *Relative
}

func (c *mlpChunker) Horizon() int { return c.cfg.Horizon }
func (c *mlpChunker) ActDim() int  { return c.cfg.ActDim }

func (c *mlpChunker) ChunkTo(chunk, obs []float32, _ Rest) error {
	if len(obs) != c.cfg.ObsDim || len(chunk) != c.cfg.Horizon*c.cfg.ActDim {
		return fmt.Errorf("base policy: %d observation values into a chunk of %d, want %d and %d",
			len(obs), len(chunk), c.cfg.ObsDim, c.cfg.Horizon*c.cfg.ActDim)
	}
	// Looked for in the input: a ReLU turns NaN into zero.
	for _, v := range obs {
		if !finite(v) {
			return ErrNotFinite
		}
	}
	c.eval.ForwardTo(chunk, obs)
	if c.relative != nil {
		c.relative.From(chunk, obs)
	}
	for _, v := range chunk {
		if !finite(v) {
			return ErrNotFinite
		}
	}
	return nil
}
