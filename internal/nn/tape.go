package nn

import "fmt"

// Tape holds the activations of one batch between Forward and Backward, and
// the scratch of both. One goroutine uses it at a time; it fits the network it
// was made for.
type Tape struct {
	max, n int
	x      []float32
	acts   []activation
	grads  [2][]float32
}

// activation is what one layer leaves for the backward pass.
type activation struct {
	y    []float32 // output after ReLU
	hat  []float32 // normalised before ReLU; nil without layer norm
	rstd []float32 // 1/std of each row
}

// NewTape returns a tape for batches of up to maxBatch rows.
func (m *MLP) NewTape(maxBatch int) *Tape {
	t := &Tape{max: maxBatch, acts: make([]activation, len(m.layers))}
	widest := 0
	for i, l := range m.layers {
		a := &t.acts[i]
		a.y = make([]float32, maxBatch*l.out)
		if i < len(m.layers)-1 {
			widest = max(widest, l.out)
			if m.cfg.LayerNorm {
				a.hat, a.rstd = make([]float32, maxBatch*l.out), make([]float32, maxBatch)
			}
		}
	}
	for i := range t.grads {
		t.grads[i] = make([]float32, maxBatch*widest)
	}
	return t
}

// Max is the number of rows that the tape holds.
func (t *Tape) Max() int { return t.max }

// Forward computes y [n, Out] from x [n, In]. The result belongs to t and
// lasts until the next Forward; x is kept by reference and must not change
// before Backward. It panics when n exceeds the tape or x is too short.
func (m *MLP) Forward(t *Tape, x []float32, n int) []float32 {
	if n > t.max || n < 0 || len(x) < n*m.cfg.In {
		panic(fmt.Sprintf("nn: Forward: %d rows of %d on a tape of %d, input of %d elements", n, m.cfg.In, t.max, len(x)))
	}
	t.n, t.x = n, x[:n*m.cfg.In]
	in := t.x
	for i := range m.layers {
		l, a := &m.layers[i], &t.acts[i]
		y := a.y[:n*l.out]
		if i == len(m.layers)-1 {
			l.apply(y, in, n)
			return y
		}
		if a.hat != nil {
			hat := a.hat[:n*l.out]
			l.apply(hat, in, n)
			kernels.NormReLU(y, hat, a.rstd[:n], l.out)
		} else {
			l.apply(y, in, n)
			kernels.ReLU(y)
		}
		in = y
	}
	return nil
}

// apply computes y = x W^T + b.
func (l *layer) apply(y, x []float32, n int) {
	beta := float32(0)
	if l.b != nil {
		for i := range n {
			copy(y[i*l.out:(i+1)*l.out], l.b.Data)
		}
		beta = 1
	}
	MatMulT(y, x, l.w.Data, n, l.in, l.out, beta)
}

// Backward adds the gradients of the last Forward's batch to the parameters'
// Grad, given dy [n, Out], and writes the gradient of x into dx [n, In] unless
// that is nil. dy is left alone.
func (m *MLP) Backward(t *Tape, dy, dx []float32) { m.backward(t, dy, dx, true) }

// BackwardInput writes the gradient of x into dx [n, In] and leaves the
// parameters' gradients alone (an actor learning through a critic).
func (m *MLP) BackwardInput(t *Tape, dy, dx []float32) { m.backward(t, dy, dx, false) }

func (m *MLP) backward(t *Tape, dy, dx []float32, params bool) {
	n := t.n
	if len(dy) < n*m.cfg.Out || dx != nil && len(dx) < n*m.cfg.In {
		panic(fmt.Sprintf("nn: Backward: %d rows, dy of %d elements, dx of %d", n, len(dy), len(dx)))
	}
	g := dy[:n*m.cfg.Out]
	for i := len(m.layers) - 1; i >= 0; i-- {
		l := &m.layers[i]
		in := t.x
		if i > 0 {
			in = t.acts[i-1].y[:n*l.in]
		}
		if params {
			MatTMul(l.w.Grad, g, in, l.out, n, l.in, 1)
			if l.b != nil {
				kernels.AddColumnSums(l.b.Grad, g)
			}
		}
		if i == 0 {
			if dx != nil {
				MatMul(dx[:n*l.in], g, l.w.Data, n, l.out, l.in, 0)
			}
			return
		}
		next := t.grads[i&1][:n*l.in]
		MatMul(next, g, l.w.Data, n, l.out, l.in, 0)
		if a := &t.acts[i-1]; a.hat != nil {
			kernels.NormReLUGrad(next, a.hat[:n*l.in], a.rstd[:n], l.in)
		} else {
			kernels.ReLUGrad(next, in)
		}
		g = next
	}
}
