package ppo

import (
	"errors"
	"fmt"
	"math"

	"korr/internal/nn"
)

// ErrDiverged marks a loss or gradient that is not finite. Nothing was stepped.
var ErrDiverged = errors.New("training diverged: a loss or gradient is not finite")

// Batch is a mini-batch of steps and the pairs among them. Steps that teach
// nothing (after an episode's end, or lost to an error) are not in it.
type Batch struct {
	N         int
	X         []float32 // [N, Dims.X]
	Residual  []float32 // [N, Dims.Act] as sampled
	LogProb   []float32 // [N] of Residual when it was sampled
	Advantage []float32 // [N]
	Return    []float32 // [N]
	Pairs     Pairs
}

// Losses are the terms of one mini-batch, unweighted, and the total.
type Losses struct {
	Policy, Value, Entropy, Model, Total float64
	ApproxKL                             float64 // k3 estimate of KL(old, new)
	ClipFraction                         float64 // share of ratios outside the clip range
	GradNorm                             float64 // before clipping; set by Update
}

// Agent is the policy, its critic and their optimisers. One goroutine uses it.
type Agent struct {
	Actor  Actor
	Critic *nn.MLP
	LogStd []float32 // [Dims.Act], fixed

	cfg       *Config
	dims      Dims
	rows      int
	actorOpt  *nn.AdamW
	criticOpt *nn.AdamW
	params    []*nn.Param // of both
	adv       []float64
	shards    []*shard // the first works with Actor and Critic themselves
	threads   int      // that run the shards
	engine    Engine   // nil: the shards
	fault     error    // of the engine, in the last Gradients
}

// NewAgent returns an agent that works through batches in blocks of up to rows
// rows, for which the actor must have been made. It keeps cfg by reference.
func NewAgent(cfg *Config, actor Actor, critic *nn.MLP, logStd []float32, d Dims, rows int) (*Agent, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := fits(d, critic, d.X, 1); err != nil {
		return nil, fmt.Errorf("critic: %w", err)
	}
	if len(logStd) != d.Act || rows < 1 {
		return nil, fmt.Errorf("ppo: %d log-stds for %d actions, blocks of %d rows", len(logStd), d.Act, rows)
	}
	adam := func(params []*nn.Param, rate float64) *nn.AdamW {
		return nn.NewAdamW(params, nn.AdamWConfig{
			LR: float32(rate), Eps: float32(cfg.AdamEps),
			WeightDecay: float32(cfg.WeightDecay),
		})
	}
	return &Agent{
		Actor: actor, Critic: critic, LogStd: logStd, cfg: cfg, dims: d, rows: rows,
		actorOpt:  adam(actor.Params(), cfg.LearningRateActor),
		criticOpt: adam(critic.Params(), cfg.LearningRateCritic),
		params:    append(append([]*nn.Param(nil), actor.Params()...), critic.Params()...),
		shards:    []*shard{newShard(actor, critic, d, rows)}, threads: 1,
	}, nil
}

// Values returns the critic's values [n] of x [n, X], up to the block size.
// They last until the next call or gradient.
func (a *Agent) Values(x []float32, n int) []float32 { return a.shards[0].values(x, n) }

// SetRates sets the learning rates to the configured ones times factors (see
// Schedule).
func (a *Agent) SetRates(actor, critic float64) {
	a.actorOpt.LR = float32(actor * a.cfg.LearningRateActor)
	a.criticOpt.LR = float32(critic * a.cfg.LearningRateCritic)
}

// Gradients computes the losses of a batch of at least two steps and leaves
// their gradients, and nothing else, in the parameters.
func (a *Agent) Gradients(b *Batch) Losses {
	if b.N < 2 {
		panic(fmt.Sprintf("ppo: a mini-batch of %d steps", b.N))
	}
	a.advantages(b)
	l := a.differentiate(b)
	l.Entropy = Entropy(a.LogStd)
	l.Total = l.Policy + a.cfg.VFCoef*l.Value - a.cfg.EntCoef*l.Entropy + a.cfg.ModelCoef*l.Model
	return l
}

// advantages fills adv with the batch's, normalised if so configured.
func (a *Agent) advantages(b *Batch) {
	if cap(a.adv) < b.N {
		a.adv = make([]float64, b.N)
	}
	a.adv = a.adv[:b.N]
	if a.cfg.NormAdv {
		normalize(a.adv, b.Advantage[:b.N])
		return
	}
	for i, v := range b.Advantage[:b.N] {
		a.adv[i] = float64(v)
	}
}

// Step clips the gradients and applies them. It returns their norm before
// clipping; when that is not finite, nothing changes and the error wraps
// ErrDiverged.
func (a *Agent) Step() (gradNorm float64, err error) {
	norm := nn.GradNorm(a.params)
	if norm-norm != 0 {
		return float64(norm), fmt.Errorf("%w: gradient norm %v", ErrDiverged, norm)
	}
	if a.cfg.MaxGradNorm > 0 {
		nn.ClipGradNorm(a.params, float32(a.cfg.MaxGradNorm))
	}
	a.actorOpt.Step()
	a.criticOpt.Step()
	return float64(norm), nil
}

// Update is Gradients and Step. The error wraps ErrDiverged.
func (a *Agent) Update(b *Batch) (Losses, error) {
	l := a.Gradients(b)
	if a.fault != nil {
		return l, fmt.Errorf("%w: %w", ErrDiverged, a.fault)
	}
	if math.IsNaN(l.Total) || math.IsInf(l.Total, 0) {
		return l, fmt.Errorf("%w: policy loss %g, value loss %g, model loss %g", ErrDiverged, l.Policy, l.Value, l.Model)
	}
	var err error
	l.GradNorm, err = a.Step()
	return l, err
}
