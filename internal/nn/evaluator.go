package nn

import "fmt"

// Evaluator computes a network for single inputs in scratch of its own. It
// reads the network's current weights; one goroutine uses it at a time.
type Evaluator struct {
	m    *MLP
	h    [2][]float32
	rstd [1]float32
}

// Evaluator returns a new evaluator of m.
func (m *MLP) Evaluator() *Evaluator {
	widest := 0
	for _, h := range m.cfg.Hidden {
		widest = max(widest, h)
	}
	return &Evaluator{m: m, h: [2][]float32{make([]float32, widest), make([]float32, widest)}}
}

// ForwardTo computes dst [Out] from x [In] without allocating. It panics when
// either is too short. dst and x must not overlap.
func (e *Evaluator) ForwardTo(dst, x []float32) {
	cfg := &e.m.cfg
	if len(dst) < cfg.Out || len(x) < cfg.In {
		panic(fmt.Sprintf("nn: ForwardTo: dst %d, x %d for a network %d -> %d", len(dst), len(x), cfg.In, cfg.Out))
	}
	in := x[:cfg.In]
	last := len(e.m.layers) - 1
	for i := range e.m.layers {
		l := &e.m.layers[i]
		y := dst[:cfg.Out]
		if i < last {
			y = e.h[i&1][:l.out]
		}
		var bias []float32
		if l.b != nil {
			bias = l.b.Data
		}
		hidden := i < last
		Dense(y, l.w.Data, bias, in, hidden && !cfg.LayerNorm)
		if hidden && cfg.LayerNorm {
			kernels.NormReLU(y, y, e.rstd[:], l.out)
		}
		in = y
	}
}
