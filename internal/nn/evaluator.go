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
	e.LastTo(dst, e.Hidden(x))
}

// Hidden computes the last hidden layer for x [In], or returns x where there is
// none. The result lasts until the next call of e.
func (e *Evaluator) Hidden(x []float32) []float32 {
	in := x[:e.m.cfg.In]
	for i := range len(e.m.layers) - 1 {
		in = e.hidden(i, in)
	}
	return in
}

// LastTo computes dst [Out] from what Hidden returned.
func (e *Evaluator) LastTo(dst, h []float32) {
	l := &e.m.layers[len(e.m.layers)-1]
	Dense(dst[:l.out], l.w.Data, l.bias(), h[:l.in], false)
}

// AfterFirstTo computes dst [Out] from the sums y = W x + b of the first layer,
// before its activation, which it overwrites.
func (e *Evaluator) AfterFirstTo(dst, y []float32) {
	last := len(e.m.layers) - 1
	y = y[:e.m.layers[0].out]
	if last == 0 {
		copy(dst[:len(y)], y)
		return
	}
	e.activate(y, false)
	for i := 1; i < last; i++ {
		y = e.hidden(i, y)
	}
	e.LastTo(dst, y)
}

// hidden computes the hidden layer i.
func (e *Evaluator) hidden(i int, in []float32) []float32 {
	l := &e.m.layers[i]
	y, rectify := e.h[i&1][:l.out], !e.m.cfg.LayerNorm
	Dense(y, l.w.Data, l.bias(), in, rectify)
	e.activate(y, rectify)
	return y
}

// activate applies norm and ReLU to the sums y, unless they are rectified
// already.
func (e *Evaluator) activate(y []float32, rectified bool) {
	switch {
	case e.m.cfg.LayerNorm:
		kernels.NormReLU(y, y, e.rstd[:], len(y))
	case !rectified:
		kernels.ReLU(y)
	}
}

// bias returns the layer's bias, nil for none.
func (l *layer) bias() []float32 {
	if l.b == nil {
		return nil
	}
	return l.b.Data
}
