package gorgonia

import (
	"errors"
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"korr/train/ppo"
)

// maxGraphs bounds the memory of batch sizes that do not come again.
const maxGraphs = 4

// Engine computes the gradients of a PPO agent. It keeps one graph for every
// batch size, with every intermediate result of a batch. One goroutine uses it.
type Engine struct {
	nets   ppo.Networks
	dt     tensor.Dtype
	losses map[int]*loss
}

// NewEngine returns an engine that computes in single precision, as
// internal/nn does.
func NewEngine(n ppo.Networks) *Engine { return newEngine(n, tensor.Float32) }

func newEngine(n ppo.Networks, dt tensor.Dtype) *Engine {
	return &Engine{nets: n, dt: dt, losses: map[int]*loss{}}
}

// Gradients implements ppo.Engine.
func (e *Engine) Gradients(b *ppo.Batch, adv []float64) (ppo.Losses, error) {
	l := e.losses[b.N]
	if l == nil {
		if len(e.losses) == maxGraphs {
			if err := e.Close(); err != nil {
				return ppo.Losses{}, err
			}
		}
		var err error
		if l, err = newLoss(&e.nets, b.N, e.dt); err != nil {
			return ppo.Losses{}, err
		}
		e.losses[b.N] = l
	}
	return l.gradients(&e.nets, b, adv)
}

// Close frees the machines.
func (e *Engine) Close() error {
	var err error
	for _, l := range e.losses {
		err = errors.Join(err, l.close())
	}
	clear(e.losses)
	return err
}

// loss is the graph for one batch size.
type loss struct {
	*graph
	n                            int
	x, obs, u                    *variable // [n, X], [n, Obs], [n, Act]
	residual, shift, adv, ret    *variable // shift: the old log probability, but for the density's constant
	pairObs, pairU, next, counts *variable // padded to n rows; counts weighs errors, zero in the padding
	goal                         *variable
	errors                       func() *G.Node // of the model's predictions, weighed by counts
	logRatio                     G.Value
	policy, value, model         G.Value
}

func newLoss(nets *ppo.Networks, n int, dt tensor.Dtype) (*loss, error) {
	building.Lock()
	defer building.Unlock()
	g, d := newGraph(dt), nets.Dims
	l := &loss{
		graph: g, n: n, x: g.input(n, d.X), residual: g.input(n, d.Act), shift: g.input(n, 1), adv: g.input(n, 1),
		ret: g.input(n, 1),
	}
	total := l.surrogate(nets, l.mean(nets))
	total = must(G.Add(total, l.valueLoss(nets)))
	if l.errors != nil && nets.Config.ModelCoef > 0 {
		square := must(G.HadamardProd(must(G.Square(l.errors())), l.counts.node))
		model := must(G.Sum(square))
		G.Read(model, &l.model)
		total = must(G.Add(total, must(G.Sum(must(G.HadamardProd(square, g.full(n, l.counts.cols, nets.Config.ModelCoef)))))))
	}
	return l, g.differentiate(total)
}

// mean is the mean residual [n, Act].
func (l *loss) mean(nets *ppo.Networks) *G.Node {
	g, n, d := l.graph, l.n, nets.Dims
	head := g.network(nets.Head, true)
	if nets.Model == nil && nets.Dynamics == nil {
		return g.apply(head, l.sighted(nets), n)
	}
	l.obs, l.u = g.input(n, d.Obs), g.input(n, d.Act)
	l.pairObs, l.pairU, l.next = g.input(n, d.Obs), g.input(n, d.Act), g.input(n, d.Obs)
	if nets.Dynamics != nil {
		net := g.network(nets.Dynamics, true)
		l.counts = g.input(n, d.Obs)
		l.errors = func() *G.Node {
			return must(G.Sub(g.apply(net, l.joined(l.pairObs, l.pairU, d), n), l.next.node))
		}
		return g.apply(head, g.apply(net, l.joined(l.obs, l.u, d), n), n)
	}
	model := g.lifting(nets.Model, true)
	acting := model
	if nets.StopGradient {
		acting = g.lifting(nets.Model, false)
	}
	latent := model.cfg.LatentDim
	l.counts = g.input(n, latent)
	l.errors = func() *G.Node {
		return must(G.Sub(predict(model, g.lift(model, l.pairObs.node, n), l.pairU.node), g.lift(model, l.next.node, n)))
	}
	z := predict(acting, g.lift(acting, l.obs.node, n), l.u.node)
	if nets.Goal != nil {
		l.goal = g.input(1, d.Obs)
		goal := must(G.Mul(g.one(n), g.lift(acting, l.goal.node, 1)))
		z = must(G.Add(must(G.Mul(z, g.selection(latent, 2*latent, 0))),
			must(G.Mul(goal, g.selection(latent, 2*latent, latent)))))
	}
	return g.apply(head, z, n)
}

// sighted is x, or [x, goal].
func (l *loss) sighted(nets *ppo.Networks) *G.Node {
	if nets.Goal == nil {
		return l.x.node
	}
	g, d := l.graph, nets.Dims
	l.goal = g.input(1, d.Obs)
	goal := must(G.Mul(g.one(l.n), l.goal.node))
	w := d.X + d.Obs
	return must(G.Add(must(G.Mul(l.x.node, g.selection(d.X, w, 0))), must(G.Mul(goal, g.selection(d.Obs, w, d.X)))))
}

// joined is [obs, u], for a network that reads both.
func (l *loss) joined(obs, u *variable, d ppo.Dims) *G.Node {
	left := must(G.Mul(obs.node, l.selection(d.Obs, d.Obs+d.Act, 0)))
	return must(G.Add(left, must(G.Mul(u.node, l.selection(d.Act, d.Obs+d.Act, d.Obs)))))
}

// surrogate is the clipped surrogate loss of the mean residuals [n, Act].
func (l *loss) surrogate(nets *ppo.Networks, mean *G.Node) *G.Node {
	g, n, d := l.graph, l.n, nets.Dims
	scale := g.constant(n, d.Act, func(_, j int) float64 { return math.Exp(-float64(nets.LogStd[j])) })
	e := must(G.HadamardProd(must(G.Sub(l.residual.node, mean)), scale))
	half := must(G.Mul(must(G.Square(e)), g.full(d.Act, 1, -0.5))) // sum over the row
	logRatio := must(G.Sub(half, l.shift.node))
	G.Read(logRatio, &l.logRatio)
	ratio := must(G.Exp(logRatio))
	lo, hi := g.full(n, 1, 1-nets.Config.ClipCoef), g.full(n, 1, 1+nets.Config.ClipCoef)
	clipped := must(G.Sub(must(G.Add(lo, must(G.Rectify(must(G.Sub(ratio, lo)))))),
		must(G.Rectify(must(G.Sub(ratio, hi))))))
	free := must(G.HadamardProd(ratio, l.adv.node)) // adv is negated
	more := must(G.Rectify(must(G.Sub(must(G.HadamardProd(clipped, l.adv.node)), free))))
	policy := must(G.Sum(must(G.HadamardProd(must(G.Add(free, more)), g.full(n, 1, 1/float64(n))))))
	G.Read(policy, &l.policy)
	return policy
}

// valueLoss is vf_coef times half the mean square error of the critic.
func (l *loss) valueLoss(nets *ppo.Networks) *G.Node {
	g, n := l.graph, l.n
	e := must(G.Square(must(G.Sub(g.apply(g.network(nets.Critic, true), l.x.node, n), l.ret.node))))
	value := must(G.Sum(must(G.HadamardProd(e, g.full(n, 1, 0.5/float64(n))))))
	G.Read(value, &l.value)
	return must(G.Sum(must(G.HadamardProd(e, g.full(n, 1, 0.5*nets.Config.VFCoef/float64(n))))))
}

// gradients fills in the batch and runs the graph.
func (l *loss) gradients(nets *ppo.Networks, b *ppo.Batch, adv []float64) (ppo.Losses, error) {
	d := nets.Dims
	l.x.set(b.X[:b.N*d.X])
	l.residual.set(b.Residual[:b.N*d.Act])
	l.ret.set(b.Return[:b.N])
	constant := ppo.LogProb(make([]float32, d.Act), make([]float32, d.Act), nets.LogStd) // at the mean
	for i := range b.N {
		l.shift.put(i, float64(b.LogProb[i])-constant)
		l.adv.put(i, -adv[i])
		for j := 0; l.obs != nil && j < d.Obs; j++ {
			l.obs.put(i*d.Obs+j, float64(b.X[i*d.X+j]))
		}
		for j := 0; l.u != nil && j < d.Act; j++ {
			l.u.put(i*d.Act+j, float64(b.X[i*d.X+d.Obs+j]))
		}
	}
	if l.goal != nil {
		l.goal.set(nets.Goal)
	}
	if l.errors != nil {
		if err := l.pairs(nets, &b.Pairs); err != nil {
			return ppo.Losses{}, err
		}
	}
	if err := l.run(); err != nil {
		return ppo.Losses{}, err
	}
	return l.report(nets), nil
}

// pairs fills in the transitions and how their errors are weighed.
func (l *loss) pairs(nets *ppo.Networks, p *ppo.Pairs) error {
	if p.N > l.n {
		return fmt.Errorf("gorgonia: %d transitions in a batch of %d steps", p.N, l.n)
	}
	d := nets.Dims
	l.pairObs.set(p.Obs[:p.N*d.Obs])
	l.pairU.set(p.U[:p.N*d.Act])
	l.next.set(p.Next[:p.N*d.Obs])
	scale := func(int) float64 { return 1 / float64(d.Obs) }
	if nets.Model != nil {
		scale = scales(nets.Model.Config())
	}
	for i := range l.n {
		for j := range l.counts.cols {
			w := 0.0
			if i < p.N {
				w = scale(j) / float64(p.N)
			}
			l.counts.put(i*l.counts.cols+j, w)
		}
	}
	return nil
}

// report reads the losses off the graph.
func (l *loss) report(nets *ppo.Networks) ppo.Losses {
	out := ppo.Losses{Policy: values(l.policy)[0], Value: values(l.value)[0]}
	if l.model != nil {
		out.Model = values(l.model)[0]
	}
	n := float64(l.n)
	for _, r := range values(l.logRatio) {
		ratio := math.Exp(r)
		out.ApproxKL += (ratio - 1 - r) / n
		if math.Abs(ratio-1) > nets.Config.ClipCoef {
			out.ClipFraction += 1 / n
		}
	}
	return out
}
