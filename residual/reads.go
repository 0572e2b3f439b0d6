package residual

// Reads is what a residual network reads: one of three inputs.
type Reads uint8

const (
	// ReadsPlain is ResiP's x: what is observed, the base action, its lead over the arm, the phase and the details.
	ReadsPlain Reads = iota
	// ReadsLatent is the predicted latent z' alone: KORR as published.
	ReadsLatent
	// ReadsAhead is x, and what a Foresight adds of the steps ahead.
	ReadsAhead
)

// Actor is what an actor of the method reads with the foresight.
func (f *Foresight) Actor(m Method) Reads {
	switch {
	case !f.published() && !f.CriticOnly:
		return ReadsAhead
	case m == MethodKORR && f.published():
		return ReadsLatent
	}
	return ReadsPlain
}

// Reads is what the policy's actor reads.
func (p *Policy) Reads() Reads { return p.Foresight.Actor(p.Method) }
