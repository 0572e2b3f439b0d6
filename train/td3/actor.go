package td3

import (
	"fmt"
	"math"

	"korr/internal/nn"
	"korr/koopman"
)

// actor computes the residual r = tanh(head(.)) and learns it. The head reads x itself, without what the critics
// alone read, or, a published KORR, the latent predicted from the observation and base action at the beginning of x.
type actor struct {
	cfg  *Config
	dims dims
	head *nn.MLP
	tape *nn.Tape
	n    int // rows of the last forward pass

	model      *koopman.Model // nil unless the head reads its latent
	modelTape  *koopman.Tape
	obs, u, dz []float32

	x []float32 // [max, in] what the head reads when the critics read more

	r    []float32 // [max, act]
	dpre []float32 // [max, act] loss's derivatives before the tanh

	params       []*nn.Param // that the actor's loss reaches
	headOpt      *nn.AdamW
	modelOpt     *nn.AdamW // nil when the model is frozen or there is none
	sinceProject int       // steps of the model since the bound was imposed
}

// newActor returns an untrained actor for batches of up to rows rows. It trains
// model, which a head that reads the latent requires and others ignore.
func newActor(cfg *Config, d dims, model *koopman.Model, rows int) *actor {
	a := &actor{cfg: cfg, dims: d, r: make([]float32, rows*d.act), dpre: make([]float32, rows*d.act)}
	in := d.in
	if d.in < d.x {
		a.x = make([]float32, rows*d.in)
	}
	if cfg.latent() {
		a.model, in = model, model.LatentDim()
		a.modelTape = model.NewTape(rows, 1)
		a.obs, a.u, a.dz = make([]float32, rows*d.obs), make([]float32, rows*d.act), make([]float32, rows*in)
	}
	a.head = nn.NewMLP(nn.MLPConfig{In: in, Hidden: cfg.ActorHidden, Out: d.act, OutputBias: true, LastStd: 0.01},
		newStream(cfg.Seed, "actor").Rand)
	a.tape = a.head.NewTape(rows)
	a.params = a.head.Params()
	a.headOpt = nn.NewAdamW(a.params, nn.AdamWConfig{LR: float32(cfg.ActorLR)})
	if a.model != nil && (cfg.KoopmanGradient || cfg.KoopmanWeight > 0) {
		a.modelOpt = nn.NewAdamW(model.Params(), nn.AdamWConfig{LR: float32(cfg.KoopmanLR)})
		if cfg.KoopmanGradient {
			a.params = append(append([]*nn.Param(nil), a.params...), model.Params()...)
		}
	}
	return a
}

// forward computes the residuals [n, act] of the inputs x [n, x]. They last until the next call; x must not change
// before step.
func (a *actor) forward(x []float32, n int) []float32 {
	a.n = n
	in, d := x, a.dims
	switch {
	case a.x != nil:
		in = a.x[:n*d.in]
		for i := range n {
			copy(in[i*d.in:(i+1)*d.in], x[i*d.x:])
		}
	case a.model != nil:
		for i := range n {
			row := x[i*d.x : (i+1)*d.x]
			copy(a.obs[i*d.obs:(i+1)*d.obs], row)
			copy(a.u[i*d.act:(i+1)*d.act], d.base().Of(row))
		}
		in = a.model.PredictBatch(a.modelTape, a.obs[:n*d.obs], a.u[:n*d.act], n)
	}
	r, out := a.r[:n*d.act], a.head.Forward(a.tape, in, n)
	for i, v := range out {
		r[i] = float32(math.Tanh(float64(v)))
	}
	return r
}

// stepInfo is what a step of the actor saw.
type stepInfo struct {
	gradNorm  float64 // before clipping
	modelLoss float64 // prediction loss, unweighted
	radius    float64 // spectral radius before it was bounded; 0 if it was not looked at
}

// step takes one step given the loss's derivatives dr by the residuals of the
// last forward pass. The prediction loss of p joins the actor's when the model
// learns. Gradients that are not finite leave everything alone.
func (a *actor) step(dr []float32, p *pairs) (stepInfo, error) {
	var info stepInfo
	n := a.n * a.dims.act
	for i, r := range a.r[:n] {
		a.dpre[i] = dr[i] * (1 - r*r)
	}
	nn.ZeroGrad(a.head.Params())
	if a.model == nil {
		a.head.Backward(a.tape, a.dpre[:n], nil)
	} else {
		info.modelLoss = a.backwardModel(n, p)
	}
	norm := a.clip(a.params)
	info.gradNorm = norm
	if !finite(norm) || !finite(info.modelLoss) {
		return info, fmt.Errorf("%w: gradient norm %v and prediction loss %v of the actor", ErrDiverged, norm, info.modelLoss)
	}
	a.headOpt.Step()
	if a.modelOpt != nil {
		return info, a.stepModel(&info)
	}
	return info, nil
}

// backwardModel fills the gradients of head and model and returns the
// prediction loss.
func (a *actor) backwardModel(n int, p *pairs) float64 {
	nn.ZeroGrad(a.model.Params())
	if !a.cfg.KoopmanGradient {
		a.head.Backward(a.tape, a.dpre[:n], nil)
	} else {
		a.head.Backward(a.tape, a.dpre[:n], a.dz)
		a.model.BackwardPredict(a.modelTape, a.dz)
	}
	if a.cfg.KoopmanWeight == 0 || p.n == 0 {
		return 0
	}
	return float64(a.model.LatentLoss(a.modelTape, p.obs, p.u, p.next, p.n, float32(a.cfg.KoopmanWeight)))
}

// stepModel moves the model and, every ConstrainEvery steps, imposes its
// spectral bound.
func (a *actor) stepModel(info *stepInfo) error {
	if !a.cfg.KoopmanGradient { // otherwise clipped together with the head
		if norm := a.clip(a.model.Params()); !finite(norm) {
			return fmt.Errorf("%w: gradient norm %v of the Koopman model", ErrDiverged, norm)
		}
	}
	a.modelOpt.Step()
	a.sinceProject++
	if a.cfg.ConstrainEvery > 0 && a.sinceProject >= a.cfg.ConstrainEvery {
		a.sinceProject = 0
		info.radius = a.model.Constrain()
		if !finite(info.radius) {
			return fmt.Errorf("%w: spectral radius of A", ErrDiverged)
		}
	}
	return nil
}

// clip bounds the gradients' norm if the configuration says so, and returns
// what it was.
func (a *actor) clip(ps []*nn.Param) float64 {
	if a.cfg.GradClip > 0 {
		return float64(nn.ClipGradNorm(ps, float32(a.cfg.GradClip)))
	}
	return float64(nn.GradNorm(ps))
}
