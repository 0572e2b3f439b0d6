package ppo

import (
	"fmt"

	"korr/internal/layout"
	"korr/internal/nn"
	"korr/koopman"
)

// Dims are the widths of what the networks read and write. A row of inputs is
// x [X] = [o, u_b, ...]: the encoded observation [Obs], the base action [Act]
// and, beyond the published form, whatever else ResiP and the critic read.
type Dims struct{ Obs, X, Act int }

// Base is the base action's span in a row.
func (d Dims) Base() layout.Span { return layout.Span{From: d.Obs, To: d.Obs + d.Act} }

// Pair is the span of what a model reads of a row: observation and base action.
func (d Dims) Pair() layout.Span { return layout.Span{To: d.Obs + d.Act} }

func (d Dims) check() error {
	if d.Obs < 1 || d.Act < 1 || d.X < d.Pair().To {
		return fmt.Errorf("ppo: rows of %d values with %d observed and %d base action values", d.X, d.Obs, d.Act)
	}
	return nil
}

// Pairs are transitions (o, u, o') that stay inside one episode, with u the
// executed normalised action: Obs and Next [N, Dims.Obs], U [N, Dims.Act].
type Pairs struct {
	N            int
	Obs, U, Next []float32
}

// rows returns the pairs i..j-1.
func (p *Pairs) rows(i, j int, d Dims) Pairs {
	return Pairs{N: j - i, Obs: p.Obs[i*d.Obs : j*d.Obs], U: p.U[i*d.Act : j*d.Act], Next: p.Next[i*d.Obs : j*d.Obs]}
}

// Actor is what computes the mean residual, and learns. Forward, Backward and
// ModelLoss share scratch: one goroutine, and Backward before anything else
// after the Forward it belongs to.
type Actor interface {
	// Params are the trained parameters, of a model too.
	Params() []*nn.Param
	// Forward returns the mean residuals [n, Act] of x [n, X], which last until
	// the next call; x must not change before Backward.
	Forward(x []float32, n int) []float32
	// Backward adds the gradients of a loss with derivatives dMean [n, Act] by
	// the last Forward's result.
	Backward(dMean []float32)
	// ModelLoss returns the mean square error of the model's predictions of p
	// and adds weight times its gradients; 0 without a model.
	ModelLoss(p Pairs, weight float32) float64
}

// ResiP is the plain residual network, mean = head(x) (arXiv 2407.16677), or
// head([x, goal]).
type ResiP struct {
	head *nn.MLP
	dims Dims
	goal []float32
	tape *nn.Tape
	in   []float32 // [rows, X + goal]; nil without a goal
}

// NewResiP returns the actor for batches of up to rows rows. The head maps X
// values, and those of the encoded goal observation [Obs] unless that is nil, to
// Act values.
func NewResiP(head *nn.MLP, d Dims, rows int, goal []float32) (*ResiP, error) {
	if err := fits(d, head, d.X+len(goal), d.Act); err != nil {
		return nil, err
	}
	a := &ResiP{head: head, dims: d, goal: goal, tape: head.NewTape(rows)}
	if goal != nil {
		a.in = make([]float32, rows*head.In())
	}
	return a, nil
}

// Twin implements twin.
func (a *ResiP) Twin() (Actor, error) {
	return NewResiP(twinOf(a.head), a.dims, a.tape.Max(), a.goal)
}

// Params returns the head's.
func (a *ResiP) Params() []*nn.Param { return a.head.Params() }

// Forward implements Actor.
func (a *ResiP) Forward(x []float32, n int) []float32 {
	if a.goal == nil {
		return a.head.Forward(a.tape, x, n)
	}
	w := a.head.In()
	for i := range n {
		row := a.in[i*w : (i+1)*w]
		copy(row[copy(row, x[i*a.dims.X:(i+1)*a.dims.X]):], a.goal)
	}
	return a.head.Forward(a.tape, a.in[:n*w], n)
}

// Backward implements Actor.
func (a *ResiP) Backward(dMean []float32) { a.head.Backward(a.tape, dMean, nil) }

// ModelLoss is 0: there is no model.
func (*ResiP) ModelLoss(Pairs, float32) float64 { return 0 }

// Dynamics is ResiP with a nonlinear model in the Koopman model's place,
// mean = head(f(o, u_b)), f predicting the next observation.
type Dynamics struct {
	head, model *nn.MLP
	dims        Dims
	tape        *nn.Tape // of the head
	modelTape   *nn.Tape
	params      []*nn.Param
	in          []float32 // [rows, Obs+Act]
	dPred       []float32 // [rows, Obs]
}

// NewDynamics returns the actor for batches of up to rows rows. The model maps
// Obs+Act to Obs values, the head Obs to Act.
func NewDynamics(model, head *nn.MLP, d Dims, rows int) (*Dynamics, error) {
	if err := fits(d, model, d.Pair().Len(), d.Obs); err != nil {
		return nil, err
	}
	if err := fits(d, head, d.Obs, d.Act); err != nil {
		return nil, err
	}
	return &Dynamics{
		head: head, model: model, dims: d, tape: head.NewTape(rows), modelTape: model.NewTape(rows),
		params: append(append([]*nn.Param(nil), head.Params()...), model.Params()...),
		in:     make([]float32, rows*d.Pair().Len()), dPred: make([]float32, rows*d.Obs),
	}, nil
}

// Twin implements twin.
func (a *Dynamics) Twin() (Actor, error) {
	return NewDynamics(twinOf(a.model), twinOf(a.head), a.dims, a.tape.Max())
}

// Params returns the head's parameters, then the model's.
func (a *Dynamics) Params() []*nn.Param { return a.params }

// Forward implements Actor.
func (a *Dynamics) Forward(x []float32, n int) []float32 {
	pair := a.dims.Pair()
	columnsTo(a.in, x, n, a.dims.X, pair)
	return a.head.Forward(a.tape, a.model.Forward(a.modelTape, a.in[:n*pair.Len()], n), n)
}

// Backward implements Actor.
func (a *Dynamics) Backward(dMean []float32) {
	a.head.Backward(a.tape, dMean, a.dPred)
	a.model.Backward(a.modelTape, a.dPred, nil)
}

// ModelLoss is mean (f(o, u) - o')^2.
func (a *Dynamics) ModelLoss(p Pairs, weight float32) float64 {
	d := a.dims
	w, n := d.Pair().Len(), p.N*d.Obs
	for i := range p.N {
		row := a.in[i*w : (i+1)*w]
		copy(row, p.Obs[i*d.Obs:(i+1)*d.Obs])
		copy(d.Base().Of(row), p.U[i*d.Act:(i+1)*d.Act])
	}
	pred := a.model.Forward(a.modelTape, a.in[:p.N*w], p.N)
	sum, c := 0.0, 2*weight/float32(n)
	for i, v := range pred[:n] {
		e := v - p.Next[i]
		a.dPred[i] = c * e
		sum += float64(e) * float64(e)
	}
	a.model.Backward(a.modelTape, a.dPred, nil)
	return sum / float64(n)
}

// fits compares a network's widths with those it needs.
func fits(d Dims, m *nn.MLP, in, out int) error {
	if err := d.check(); err != nil {
		return err
	}
	if m.In() != in || m.Out() != out {
		return fmt.Errorf("ppo: a network maps %d values to %d, want %d to %d", m.In(), m.Out(), in, out)
	}
	return nil
}

// columnsTo copies a span of the rows of x [n, width] into dst [n, span].
func columnsTo(dst, x []float32, n, width int, span layout.Span) {
	w := span.Len()
	for i := range n {
		copy(dst[i*w:(i+1)*w], span.Of(x[i*width:]))
	}
}

// KORROptions change what a KORR actor reads and learns.
type KORROptions struct {
	// Goal is the encoded goal observation [Obs]; when set, the head reads
	// [z', phi(goal)].
	Goal []float32
	// StopGradient keeps the policy's gradient out of the Koopman model, which
	// then learns from its own loss alone (an ablation).
	StopGradient bool
}

// KORR reads the latent state that the base action is predicted to lead to,
// mean = head(A phi(o) + B u_b).
type KORR struct {
	model *koopman.Model
	head  *nn.MLP
	dims  Dims
	opts  KORROptions

	n         int
	tape      *nn.Tape
	modelTape *koopman.Tape
	goalTape  *nn.Tape
	params    []*nn.Param
	obs, u    []float32
	in, dIn   []float32 // [rows, L], or [rows, 2L] with a goal
	dz        []float32 // [rows, L]
	zGoal     []float32 // [L]
	dGoal     []float32
}

// NewKORR returns the actor for batches of up to rows rows. The head maps the
// latent, or twice its width with a goal, to Act values.
func NewKORR(model *koopman.Model, head *nn.MLP, d Dims, rows int, opts KORROptions) (*KORR, error) {
	if c := model.Config(); c.ObsDim != d.Obs || c.ActDim != d.Act || c.Bilinear {
		return nil, fmt.Errorf("ppo: the Koopman model reads %d + %d values, bilinear %t, want a linear one of %d + %d: "+
			"fit it with the same features setting, koopman.focus=false and koopman.bilinear=false",
			c.ObsDim, c.ActDim, c.Bilinear, d.Obs, d.Act)
	}
	l := model.LatentDim()
	in := l
	if opts.Goal != nil {
		in *= 2
		if len(opts.Goal) != d.Obs {
			return nil, fmt.Errorf("ppo: a goal of %d values, want %d", len(opts.Goal), d.Obs)
		}
	}
	if err := fits(d, head, in, d.Act); err != nil {
		return nil, err
	}
	return &KORR{
		model: model, head: head, dims: d, opts: opts,
		tape: head.NewTape(rows), modelTape: model.NewTape(rows, 1), goalTape: model.Phi.NewTape(1),
		params: append(append([]*nn.Param(nil), head.Params()...), model.Params()...),
		obs:    make([]float32, rows*d.Obs), u: make([]float32, rows*d.Act),
		in: make([]float32, rows*in), dIn: make([]float32, rows*in), dz: make([]float32, rows*l),
		zGoal: make([]float32, l), dGoal: make([]float32, l),
	}, nil
}

// Twin implements twin.
func (a *KORR) Twin() (Actor, error) {
	model, err := koopman.New(a.model.Config(), nil)
	if err != nil {
		return nil, err
	}
	nn.ShareParams(model.Params(), a.model.Params())
	return NewKORR(model, twinOf(a.head), a.dims, a.tape.Max(), a.opts)
}

// Params returns the head's parameters, then the model's.
func (a *KORR) Params() []*nn.Param { return a.params }

// Forward implements Actor.
func (a *KORR) Forward(x []float32, n int) []float32 {
	a.n = n
	d, l := a.dims, a.model.LatentDim()
	columnsTo(a.obs, x, n, d.X, layout.Span{To: d.Obs})
	columnsTo(a.u, x, n, d.X, d.Base())
	z := a.model.PredictBatch(a.modelTape, a.obs[:n*d.Obs], a.u[:n*d.Act], n)
	if a.opts.Goal == nil {
		return a.head.Forward(a.tape, z, n)
	}
	phi := a.model.Phi.Forward(a.goalTape, a.opts.Goal, 1)
	copy(a.zGoal, a.opts.Goal[:l-len(phi)]) // none, or all when state-inclusive
	copy(a.zGoal[l-len(phi):], phi)
	for i := range n {
		row := a.in[2*i*l : 2*(i+1)*l]
		copy(row, z[i*l:(i+1)*l])
		copy(row[l:], a.zGoal)
	}
	return a.head.Forward(a.tape, a.in[:2*n*l], n)
}

// Backward implements Actor.
func (a *KORR) Backward(dMean []float32) {
	switch {
	case a.opts.StopGradient:
		a.head.Backward(a.tape, dMean, nil)
	case a.opts.Goal == nil:
		a.head.Backward(a.tape, dMean, a.dz)
		a.model.BackwardPredict(a.modelTape, a.dz)
	default:
		a.backwardGoal(dMean)
	}
}

// backwardGoal sends the gradient through the prediction and, summed over the
// batch, through the lifted goal.
func (a *KORR) backwardGoal(dMean []float32) {
	l := a.model.LatentDim()
	a.head.Backward(a.tape, dMean, a.dIn)
	columnsTo(a.dz, a.dIn, a.n, 2*l, layout.Span{To: l})
	a.model.BackwardPredict(a.modelTape, a.dz)
	clear(a.dGoal)
	for i := range a.n {
		for j, g := range a.dIn[(2*i+1)*l : 2*(i+1)*l] {
			a.dGoal[j] += g
		}
	}
	a.model.Phi.Backward(a.goalTape, a.dGoal[l-a.model.Phi.Out():], nil)
}

// ModelLoss is the Koopman model's one-step consistency loss.
func (a *KORR) ModelLoss(p Pairs, weight float32) float64 {
	return float64(a.model.LatentLoss(a.modelTape, p.Obs, p.U, p.Next, p.N, weight))
}
