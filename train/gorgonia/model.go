package gorgonia

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"korr/koopman"
)

// lifting is a Koopman model in a graph.
type lifting struct {
	cfg        koopman.Config
	phi        *network
	a, b       *G.Node
	state, own *G.Node // selections of a state-inclusive lift; nil otherwise
}

func (g *graph) lifting(m *koopman.Model, learned bool) *lifting {
	l := &lifting{cfg: m.Config(), phi: g.network(m.Phi, learned), a: g.weights(m.A, learned), b: g.weights(m.B, learned)}
	if l.cfg.StateInclusive {
		l.state = g.selection(l.cfg.ObsDim, l.cfg.LatentDim, 0)
		l.own = g.selection(m.Phi.Out(), l.cfg.LatentDim, l.cfg.ObsDim)
	}
	return l
}

// lift is z for obs [n, D].
func (g *graph) lift(l *lifting, obs *G.Node, n int) *G.Node {
	z := g.apply(l.phi, obs, n)
	if l.state == nil {
		return z
	}
	return must(G.Add(must(G.Mul(obs, l.state)), must(G.Mul(z, l.own))))
}

// predict is A z + B u.
func predict(l *lifting, z, u *G.Node) *G.Node {
	return must(G.Add(must(G.Mul(z, l.a)), must(G.Mul(u, l.b))))
}

// scales returns what the square of every coordinate's error is weighed with,
// but for the number of rows.
func scales(c koopman.Config) func(j int) float64 {
	if !c.StateInclusive {
		return func(int) float64 { return 1 / float64(c.LatentDim) }
	}
	return func(j int) float64 {
		if j < c.ObsDim {
			return 1 / float64(c.ObsDim)
		}
		return c.LatentWeight / float64(c.LatentDim-c.ObsDim)
	}
}

// Model differentiates the loss of a Koopman model over windows.
type Model struct {
	*graph
	obs, us []*variable // of every step
	loss    G.Value
}

// NewModel builds the loss of koopman.Model.WindowLoss for n windows of so many
// steps, in float64. With one step it is LatentLoss.
func NewModel(m *koopman.Model, n, steps int) (*Model, error) {
	building.Lock()
	defer building.Unlock()
	g := newGraph(tensor.Float64)
	w := &Model{graph: g}
	l := g.lifting(m, true)
	input := func(cols int) *variable { return g.input(n, cols) }
	w.obs = append(w.obs, input(l.cfg.ObsDim))
	z := g.lift(l, w.obs[0].node, n)
	var loss *G.Node
	for h := range steps {
		w.obs, w.us = append(w.obs, input(l.cfg.ObsDim)), append(w.us, input(l.cfg.ActDim))
		z = predict(l, z, w.us[h].node)
		c, scale := 1.0, scales(l.cfg)
		if h == 0 && steps > 1 {
			c = l.cfg.FirstWeight
		}
		e := must(G.Sub(z, g.lift(l, w.obs[h+1].node, n)))
		term := must(G.Sum(must(G.HadamardProd(must(G.Square(e)), g.constant(n, l.cfg.LatentDim, func(_, j int) float64 {
			return c * scale(j) / float64(n*steps)
		})))))
		if loss == nil {
			loss = term
		} else {
			loss = must(G.Add(loss, term))
		}
	}
	G.Read(loss, &w.loss)
	return w, g.differentiate(loss)
}

// Loss returns the loss of windows obs [(steps+1) n, D], us [steps n, U],
// time-major, and adds its gradients to the model's.
func (w *Model) Loss(obs, us []float32) (float64, error) {
	for h, v := range w.obs {
		size := v.rows * v.cols
		v.set(obs[h*size : (h+1)*size])
	}
	for h, v := range w.us {
		size := v.rows * v.cols
		v.set(us[h*size : (h+1)*size])
	}
	if err := w.run(); err != nil {
		return 0, err
	}
	return values(w.loss)[0], nil
}

// Close frees the machine.
func (w *Model) Close() error { return w.close() }
