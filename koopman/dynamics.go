package koopman

import (
	"context"
	"fmt"

	"korr/internal/nn"
	"korr/internal/seed"
)

// Dynamics is the nonlinear counterpart of Model: an MLP predicts the change
// of the observation, o' = o + f(o, u).
type Dynamics struct {
	d, u int
	net  *nn.MLP
	eval *nn.Evaluator
	x    []float32
	dx   []float32
}

// TrainDynamics trains an MLP with the given hidden widths on the episodes of
// widths d and u, on the same windows, horizon, schedule and raw loss as Train.
// The start is drawn from cfg.Seed. Errors are Train's.
func TrainDynamics(
	ctx context.Context, episodes []Episode, d, u int, hidden []int, cfg TrainConfig,
) (*Dynamics, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	for _, w := range append([]int{d, u}, hidden...) {
		if w < 1 || w > maxDim {
			return nil, fmt.Errorf("%w: width %d is not in 1..%d", ErrConfig, w, maxDim)
		}
	}
	cfg.defaults()
	win, err := newWindows(episodes, d, u, cfg.Horizon)
	if err != nil {
		return nil, err
	}
	net := nn.NewMLP(nn.MLPConfig{In: d + u, Hidden: hidden, Out: d, OutputBias: true, LastStd: 0.1},
		seed.Stream(cfg.Seed, "dynamics", 0))
	r := newUnroll(net, d, u, cfg.Batch, cfg.Horizon)
	if err := descend(ctx, cfg, win, net.Params(), r.loss, func() {}); err != nil {
		return nil, err
	}
	return &Dynamics{d: d, u: u, net: net, eval: net.Evaluator(), x: make([]float32, d+u), dx: make([]float32, d)}, nil
}

// Name returns "mlp".
func (*Dynamics) Name() string { return "mlp" }

// ForecastTo iterates the network.
func (f *Dynamics) ForecastTo(pred, obs, us []float32, steps int) {
	o := obs[:f.d]
	for h := range steps {
		copy(f.x, o)
		copy(f.x[f.d:], us[h*f.u:(h+1)*f.u])
		f.eval.ForwardTo(f.dx, f.x)
		next := pred[h*f.d : (h+1)*f.d]
		for i, v := range f.dx {
			next[i] = o[i] + v
		}
		o = next
	}
}

// unroll holds the buffers of backpropagation through the steps.
type unroll struct {
	net     *nn.MLP
	d, u, n int
	tapes   []*nn.Tape
	x       [][]float32 // [n, D+U] per step
	o, g    []float32   // [(H+1) n, D] predictions and their gradients
	dx      []float32   // [n, D+U]
}

func newUnroll(net *nn.MLP, d, u, n, steps int) *unroll {
	r := &unroll{
		net: net, d: d, u: u, n: n,
		o: make([]float32, (steps+1)*n*d), g: make([]float32, (steps+1)*n*d), dx: make([]float32, n*(d+u)),
	}
	for range steps {
		r.tapes = append(r.tapes, net.NewTape(n))
		r.x = append(r.x, make([]float32, n*(d+u)))
	}
	return r
}

// loss returns the mean square error over the windows, time-major, and adds
// its gradients.
func (r *unroll) loss(obs, us []float32) float64 {
	d, n, steps := r.d, r.n, len(r.tapes)
	nd := n * d
	copy(r.o[:nd], obs)
	for h, tape := range r.tapes {
		x := r.x[h]
		for i := range n {
			row := x[i*(d+r.u) : (i+1)*(d+r.u)]
			copy(row, r.o[h*nd+i*d:h*nd+(i+1)*d])
			copy(row[d:], us[(h*n+i)*r.u:(h*n+i+1)*r.u])
		}
		next := r.o[(h+1)*nd : (h+2)*nd]
		for i, v := range r.net.Forward(tape, x, n) {
			next[i] = r.o[h*nd+i] + v
		}
	}
	c := 1 / float64(steps*nd)
	loss := c * squared(r.g[nd:(steps+1)*nd], r.o[nd:(steps+1)*nd], obs[nd:], float32(2*c))
	for h := steps - 1; h >= 0; h-- {
		g := r.g[(h+1)*nd : (h+2)*nd]
		if h == 0 {
			r.net.Backward(r.tapes[h], g, nil)
			break
		}
		r.net.Backward(r.tapes[h], g, r.dx)
		before := r.g[h*nd : (h+1)*nd]
		for i := range n {
			for j := range d {
				before[i*d+j] += g[i*d+j] + r.dx[i*(d+r.u)+j]
			}
		}
	}
	return loss
}
