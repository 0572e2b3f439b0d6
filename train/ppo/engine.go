package ppo

import (
	"errors"

	"korr/internal/nn"
	"korr/koopman"
)

// Engine differentiates the losses of a batch by other means than the
// hand-derived gradients. train/gorgonia has one.
type Engine interface {
	// Gradients returns the losses but for entropy and total, and adds their
	// gradients to those of the parameters. adv [b.N] are the batch's advantages,
	// normalised if so configured. An error means that a number is not finite.
	Gradients(b *Batch, adv []float64) (Losses, error)
	// Close frees what the engine holds.
	Close() error
}

// Networks are what an Engine works with. It reads and never changes them, but
// for the gradients.
type Networks struct {
	Config       *Config
	Dims         Dims
	LogStd       []float32
	Head, Critic *nn.MLP
	Dynamics     *nn.MLP        // nil but for the actor of that name
	Model        *koopman.Model // nil but for KORR
	Goal         []float32      // encoded [Dims.Obs], see KORROptions and NewResiP; nil without
	StopGradient bool
}

// Use makes the agent differentiate with the engine that make returns for its
// networks. It fails for an actor of another package.
func (a *Agent) Use(engine func(Networks) Engine) error {
	n := Networks{Config: a.cfg, Dims: a.dims, LogStd: a.LogStd, Critic: a.Critic}
	switch actor := a.Actor.(type) {
	case *ResiP:
		n.Head, n.Goal = actor.head, actor.goal
	case *Dynamics:
		n.Head, n.Dynamics = actor.head, actor.model
	case *KORR:
		n.Head, n.Model, n.Goal, n.StopGradient = actor.head, actor.model, actor.opts.Goal, actor.opts.StopGradient
	default:
		return errors.New("ppo: no engine knows this actor")
	}
	a.engine = engine(n)
	return nil
}

// Close frees what an engine holds.
func (a *Agent) Close() error {
	if a.engine == nil {
		return nil
	}
	return a.engine.Close()
}

// differentiate computes the losses of a batch and leaves their gradients in the
// parameters.
func (a *Agent) differentiate(b *Batch) Losses {
	if a.engine == nil {
		return a.work(b)
	}
	nn.ZeroGrad(a.params)
	var l Losses
	l, a.fault = a.engine.Gradients(b, a.adv)
	return l
}
