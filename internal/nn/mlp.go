package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// MLPConfig describes a multilayer perceptron: In -> Hidden... -> Out.
type MLPConfig struct {
	// In and Out are the widths of input and output.
	In, Out int
	// Hidden are the widths of the hidden layers; may be empty.
	Hidden []int
	// LayerNorm normalises before every hidden ReLU (no affine parameters).
	LayerNorm bool
	// OutputBias gives the last layer a bias.
	OutputBias bool
	// LastStd is the gain of the last layer's orthogonal start; 0 means zeros.
	LastStd float32
	// LastBias is the start of the last layer's bias.
	LastBias float32
}

// layer is one linear map and what it needs to know of its surroundings.
type layer struct {
	in, out int
	w, b    *Param // b is nil without bias
}

// MLP is a multilayer perceptron with ReLU hidden layers. Reading it is safe
// from several goroutines while nobody trains it.
type MLP struct {
	cfg    MLPConfig
	layers []layer
	params []*Param
}

// NewMLP returns a network with Kaiming-normal (fan-in, ReLU gain) hidden
// weights, zero hidden biases and an orthogonal last layer of gain LastStd. A
// nil rng leaves all weights zero, for networks about to be loaded. It panics
// on a width below one.
func NewMLP(cfg MLPConfig, rng *rand.Rand) *MLP {
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	widths := append(append([]int{cfg.In}, cfg.Hidden...), cfg.Out)
	var specs []Param
	for i, w := range widths {
		if w < 1 {
			panic(fmt.Sprintf("nn: NewMLP: widths %v", widths))
		}
		if i == 0 {
			continue
		}
		name := strconv.Itoa(2 * (i - 1))
		specs = append(specs, Param{Name: name + ".weight", Shape: []int{w, widths[i-1]}})
		if i < len(widths)-1 || cfg.OutputBias {
			specs = append(specs, Param{Name: name + ".bias", Shape: []int{w}})
		}
	}
	m := &MLP{cfg: cfg, params: NewParams(specs...)}
	for i, k := 1, 0; i < len(widths); i++ {
		l := layer{in: widths[i-1], out: widths[i], w: m.params[k]}
		k++
		if i < len(widths)-1 || cfg.OutputBias {
			l.b = m.params[k]
			k++
		}
		m.layers = append(m.layers, l)
	}
	if rng != nil {
		m.init(rng)
	}
	return m
}

func (m *MLP) init(rng *rand.Rand) {
	last := len(m.layers) - 1
	for _, l := range m.layers[:last] {
		std := math.Sqrt(2 / float64(l.in))
		for i := range l.w.Data {
			l.w.Data[i] = float32(std * rng.NormFloat64())
		}
	}
	l := m.layers[last]
	if m.cfg.LastStd != 0 {
		orthogonal(l.w.Data, l.out, l.in, float64(m.cfg.LastStd), rng)
	}
	if l.b != nil {
		for i := range l.b.Data {
			l.b.Data[i] = m.cfg.LastBias
		}
	}
}

// orthogonal fills w [rows, cols] with gain times a random matrix whose
// shorter side is orthonormal, by Gram-Schmidt on Gaussian vectors, twice for
// accuracy.
func orthogonal(w []float32, rows, cols int, gain float64, rng *rand.Rand) {
	n, dim := min(rows, cols), max(rows, cols)
	q := make([][]float64, n)
	for i := range q {
		v := make([]float64, dim)
		for j := range v {
			v[j] = rng.NormFloat64()
		}
		for range 2 {
			for _, u := range q[:i] {
				axpy64(v, u, -dot64(u, v))
			}
		}
		axpy64(v, v, 1/math.Sqrt(dot64(v, v))-1)
		q[i] = v
	}
	for i := range rows {
		for j := range cols {
			x := q[min(i, n-1)][j]
			if rows > cols {
				x = q[j][i]
			}
			w[i*cols+j] = float32(gain * x)
		}
	}
}

func dot64(a, b []float64) (s float64) {
	for i, x := range a {
		s += x * b[i]
	}
	return s
}

// axpy64 adds f src to dst.
func axpy64(dst, src []float64, f float64) {
	for i, x := range src {
		dst[i] += f * x
	}
}

// Config returns the network's description.
func (m *MLP) Config() MLPConfig {
	cfg := m.cfg
	cfg.Hidden = append([]int(nil), cfg.Hidden...)
	return cfg
}

// In returns the input width.
func (m *MLP) In() int { return m.cfg.In }

// Out returns the output width.
func (m *MLP) Out() int { return m.cfg.Out }

// Params returns the parameters in layer order, named as in a torch
// Sequential(Linear, ReLU, ...): "0.weight", "0.bias", "2.weight", ...
func (m *MLP) Params() []*Param { return m.params }

// Clone returns a network with equal weights and zero gradients that shares
// nothing with m.
func (m *MLP) Clone() *MLP {
	c := NewMLP(m.cfg, nil)
	CopyParams(c.params, m.params)
	return c
}
