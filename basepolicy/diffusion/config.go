package diffusion

import (
	"fmt"
	"math/rand/v2"

	"korr/internal/nn"
)

// The networks.
const (
	ArchUNet        = "unet"
	ArchMLP         = "mlp"
	ArchTransformer = "transformer"
)

// Config describes a network.
type Config struct {
	Arch    string `json:"arch"`           // unet, mlp or transformer
	ObsDim  int    `json:"obs_dim"`        // D, width of what is read: the normalised observation and the features
	ActDim  int    `json:"act_dim"`        // U, width of an action
	Horizon int    `json:"horizon"`        // H, actions in a chunk
	StepDim int    `json:"step_embed_dim"` // of the diffusion step; even, at least 4
	// unet: channels of its levels; published 256, 512, 1024. The horizon must halve as often, less once
	DownDims []int `json:"down_dims,omitempty"`
	Kernel   int   `json:"kernel,omitempty"`   // unet: odd
	Groups   int   `json:"groups,omitempty"`   // unet: of the group norms
	Width    int   `json:"width,omitempty"`    // mlp, transformer: of the residual stream
	Blocks   int   `json:"blocks,omitempty"`   // mlp, transformer: how many
	Heads    int   `json:"heads,omitempty"`    // transformer
	Features int   `json:"features,omitempty"` // of ObsDim, at its end: the task's features
}

// Bounds on a configuration that a file may ask for.
const (
	maxWidth  = 1 << 14
	maxBlocks = 64
)

// Validate reports a configuration that makes no network.
func (c Config) Validate() error {
	in := func(what string, v, hi int) error {
		if v < 1 || v > hi {
			return fmt.Errorf("diffusion: %s is %d, want 1 to %d", what, v, hi)
		}
		return nil
	}
	checks := []error{
		in("obs_dim", c.ObsDim, maxWidth), in("act_dim", c.ActDim, maxWidth), in("horizon", c.Horizon, maxWidth),
		in("horizon x act_dim", c.Horizon*c.ActDim, maxWidth), in("step_embed_dim", c.StepDim, maxWidth),
	}
	if c.Features < 0 || c.Features >= c.ObsDim {
		return fmt.Errorf("diffusion: %d of %d read values are features", c.Features, c.ObsDim)
	}
	switch c.Arch {
	case ArchUNet:
		checks = append(checks, in("number of down_dims", len(c.DownDims), 8), in("kernel", c.Kernel, 63),
			in("groups", c.Groups, maxWidth))
		for _, d := range c.DownDims {
			checks = append(checks, in("down_dims", d, maxWidth))
		}
	case ArchMLP, ArchTransformer:
		checks = append(checks, in("width", c.Width, maxWidth), in("blocks", c.Blocks, maxBlocks))
		if c.Arch == ArchTransformer {
			checks = append(checks, in("heads", c.Heads, maxWidth))
		}
	default:
		return fmt.Errorf("diffusion: network %q is unknown: want %s, %s or %s", c.Arch, ArchUNet, ArchMLP, ArchTransformer)
	}
	for _, err := range checks {
		if err != nil {
			return err
		}
	}
	return c.validateShapes()
}

// validateShapes checks what sizes must divide.
func (c Config) validateShapes() error {
	if c.StepDim < 4 || c.StepDim%2 != 0 {
		return fmt.Errorf("diffusion: step_embed_dim is %d, want an even number of at least 4", c.StepDim)
	}
	switch c.Arch {
	case ArchUNet:
		if c.Kernel%2 == 0 {
			return fmt.Errorf("diffusion: kernel is %d, want an odd number", c.Kernel)
		}
		if f := 1 << (len(c.DownDims) - 1); c.Horizon%f != 0 {
			return fmt.Errorf("diffusion: horizon is %d, want a multiple of %d for %d levels of a unet", c.Horizon, f,
				len(c.DownDims))
		}
		for _, d := range c.DownDims {
			if d%c.Groups != 0 {
				return fmt.Errorf("diffusion: down_dims %v: want multiples of groups, %d", c.DownDims, c.Groups)
			}
		}
	case ArchTransformer:
		if c.Width%c.Heads != 0 {
			return fmt.Errorf("diffusion: width is %d, want a multiple of heads, %d", c.Width, c.Heads)
		}
	}
	return nil
}

// Network predicts noise, chunk or velocity. Reading it is safe from several
// goroutines while nobody trains it.
type Network struct {
	cfg    Config
	params []*nn.Param
	design design
}

// design is one kind of network.
type design interface {
	newPass(maxBatch int) Pass
	steps() *stepEncoder
}

// Pass is one batch through a Network. One goroutine uses it at a time.
type Pass interface {
	// Forward returns the output [n*H*U], which belongs to the pass, for noisy chunks
	// x [n*H*U] at their diffusion steps [n] under observations cond [n*D]. It
	// allocates nothing; x must not change before Backward.
	Forward(x, cond []float32, steps []int, n int) []float32
	// Backward adds the parameters' gradients for dy, which it overwrites.
	Backward(dy []float32)
}

// NewNetwork returns a network with random weights, or with zeros from a nil
// rng. It panics unless the configuration is valid.
func NewNetwork(cfg Config, rng *rand.Rand) *Network {
	n, b := lay(cfg)
	n.params = b.Build(rng)
	return n
}

// lay describes a network and its parameters, which have no memory yet.
func lay(cfg Config) (*Network, *nn.Builder) {
	if err := cfg.Validate(); err != nil {
		panic(err.Error())
	}
	cfg.DownDims = append([]int(nil), cfg.DownDims...)
	n, b := &Network{cfg: cfg}, &nn.Builder{}
	switch cfg.Arch {
	case ArchUNet:
		n.design = newUNet(cfg, b)
	case ArchMLP:
		n.design = newMLP(cfg, b)
	default:
		n.design = newTransformer(cfg, b)
	}
	return n, b
}

// Weights counts the parameters of a valid configuration without making them.
func (c Config) Weights() int {
	_, b := lay(c)
	return b.Size()
}

// Config returns the network's description.
func (n *Network) Config() Config { return n.cfg }

// Params returns the parameters, which neighbour in memory. A UNet's have the
// published names.
func (n *Network) Params() []*nn.Param { return n.params }

// NewPass returns memory for batches of up to maxBatch chunks.
func (n *Network) NewPass(maxBatch int) Pass { return n.design.newPass(maxBatch) }

// Sharing returns a network that reads and writes n's weights in place but has
// gradients of its own, for another goroutine's part of a batch.
func (n *Network) Sharing() *Network {
	c := NewNetwork(n.cfg, nil)
	for i, p := range c.params {
		p.Data = n.params[i].Data
	}
	return c
}

// Clone returns a network with equal weights that shares nothing with n.
func (n *Network) Clone() *Network {
	c := NewNetwork(n.cfg, nil)
	nn.CopyParams(c.params, n.params)
	return c
}
