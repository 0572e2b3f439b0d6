package nn

import (
	"errors"
	"slices"
)

// MeanMLP returns one network whose output is the mean of the networks' outputs. Its hidden layers are theirs side by
// side, with zeros between them, so n networks cost n to n squared times one. They must have the same widths and no
// LayerNorm, which would reach across them.
func MeanMLP(ms ...*MLP) (*MLP, error) {
	if len(ms) == 0 {
		return nil, errors.New("nn: the mean of no networks")
	}
	cfg, n := ms[0].cfg, len(ms)
	for _, m := range ms {
		c := m.cfg
		if c.In != cfg.In || c.Out != cfg.Out || !slices.Equal(c.Hidden, cfg.Hidden) || c.OutputBias != cfg.OutputBias {
			return nil, errors.New("nn: the mean of networks of different widths")
		}
		if c.LayerNorm || len(c.Hidden) == 0 {
			return nil, errors.New("nn: the mean of networks with LayerNorm, or without a hidden layer, is not implemented")
		}
	}
	wide := cfg
	wide.Hidden = make([]int, len(cfg.Hidden))
	for i, h := range cfg.Hidden {
		wide.Hidden[i] = n * h
	}
	mean := NewMLP(wide, nil)
	for i, to := range mean.layers {
		for k, m := range ms {
			to.place(m.layers[i], k, n, i == 0, i == len(mean.layers)-1)
		}
	}
	return mean, nil
}

// place writes layer from, of network k of n, into its block of l: the first layer's inputs are shared, the last one's
// outputs averaged.
func (l layer) place(from layer, k, n int, first, last bool) {
	row, column, scale := k*from.out, k*from.in, float32(1)
	if first {
		column = 0
	}
	if last {
		row, scale = 0, 1/float32(n)
	}
	for i := range from.out {
		to := l.w.Data[(row+i)*l.in+column:]
		for j, w := range from.w.Data[i*from.in : (i+1)*from.in] {
			to[j] = scale * w
		}
		if from.b != nil {
			l.b.Data[row+i] += scale * from.b.Data[i]
		}
	}
}
