package diffusion

import (
	"fmt"

	"korr/internal/nn"
)

// unet is the published conditional UNet over time. Its parameters have the
// published names.
type unet struct {
	cfg   Config
	step  *stepEncoder
	downs []level
	mids  [2]*resBlock
	ups   []level
	last  *convBlock
	out   *nn.Conv1d
}

func (u *unet) steps() *stepEncoder { return u.step }

// level is two residual blocks and a change of length. The deepest level of the
// way down has none.
type level struct {
	a, b *resBlock
	down *nn.Conv1d
	up   *nn.ConvTranspose1d
}

// convBlock is convolution, group norm and Mish.
type convBlock struct {
	conv *nn.Conv1d
	norm *nn.GroupNorm
}

func newConvBlock(b *nn.Builder, name string, in, out int, cfg *Config) *convBlock {
	return &convBlock{
		conv: nn.NewConv1d(b, name+".block.0", in, out, cfg.Kernel, 1, cfg.Kernel/2),
		norm: nn.NewGroupNorm(b, name+".block.1", cfg.Groups, out),
	}
}

// resBlock is two convBlocks with FiLM between them, and a way around both.
type resBlock struct {
	in, out int
	a, b    *convBlock
	cond    *nn.Linear
	skip    *nn.Conv1d // nil when in and out are equal
}

func newResBlock(b *nn.Builder, name string, in, out int, cfg *Config) *resBlock {
	r := &resBlock{in: in, out: out}
	r.a = newConvBlock(b, name+".blocks.0", in, out, cfg)
	r.b = newConvBlock(b, name+".blocks.1", out, out, cfg)
	r.cond = nn.NewLinear(b, name+".cond_encoder.1", cfg.StepDim+cfg.ObsDim, 2*out)
	if in != out {
		r.skip = nn.NewConv1d(b, name+".residual_conv", in, out, 1, 1, 0)
	}
	return r
}

func newUNet(cfg Config, b *nn.Builder) *unet {
	u := &unet{cfg: cfg, step: newStepEncoder(b, cfg.StepDim)}
	in, last := cfg.ActDim, len(cfg.DownDims)-1
	for i, out := range cfg.DownDims {
		name := fmt.Sprintf("down_modules.%d.", i)
		l := level{a: newResBlock(b, name+"0", in, out, &u.cfg), b: newResBlock(b, name+"1", out, out, &u.cfg)}
		if i < last {
			l.down = nn.NewConv1d(b, name+"2.conv", out, out, 3, 2, 1)
		}
		u.downs = append(u.downs, l)
		in = out
	}
	for i := range u.mids {
		u.mids[i] = newResBlock(b, fmt.Sprintf("mid_modules.%d", i), in, in, &u.cfg)
	}
	for i := last; i > 0; i-- {
		name := fmt.Sprintf("up_modules.%d.", last-i)
		from, to := cfg.DownDims[i], cfg.DownDims[i-1]
		u.ups = append(u.ups, level{
			a: newResBlock(b, name+"0", 2*from, to, &u.cfg), b: newResBlock(b, name+"1", to, to, &u.cfg),
			up: nn.NewConvTranspose1d(b, name+"2.conv", to, to, 4, 2, 1),
		})
	}
	first := cfg.DownDims[0]
	u.last = newConvBlock(b, "final_conv.0", first, first, &u.cfg)
	u.out = nn.NewConv1d(b, "final_conv.1", first, cfg.ActDim, 1, 1, 0)
	return u
}
