package td3

import "korr/internal/layout"

// dims are the widths of what the networks read and write.
type dims struct {
	obs int // of what x holds of the encoded observation, at its beginning
	x   int // of a state's input, [observed, base action, ...] (layout.Input)
	in  int // of the actor's input, the beginning of x, unless it reads the latent
	act int
}

// newDims takes them from the spans of x, of which the actor may read the present alone.
func newDims(x layout.Input, presentOnly bool) dims {
	d := dims{obs: x.Observed().Len(), x: x.Width(), in: x.Acting().Len(), act: x.Base.Len()}
	if presentOnly {
		d.in = x.Present().Len()
	}
	return d
}

// base is the base action's span in x.
func (d dims) base() layout.Span { return layout.Span{From: d.obs, To: d.obs + d.act} }

// judged is the width of a critic's input [x, r].
func (d dims) judged() int { return d.residual().To }

// residual is the residual's span in a critic's input.
func (d dims) residual() layout.Span { return layout.Span{From: d.x, To: d.x + d.act} }
