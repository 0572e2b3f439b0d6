package residual

import (
	"fmt"
	"slices"

	"korr/koopman"
)

// Condition names what an actor reads.
type Condition string

// The conditions.
const (
	// Published is the input of the publications: KORR reads z' alone, ResiP x.
	Published Condition = "published"
	// Lookahead is KORR's x and the Koopman prediction of the base's remaining chunk: C z'(k) for the steps k.
	Lookahead Condition = "lookahead"
	// Plan is ResiP's x and where the chunk commands the tool to be in k steps, without any model: what a
	// look-ahead has to beat.
	Plan Condition = "plan"
)

// Foresight says what of the steps ahead an actor reads beside the present. The zero value is Published.
type Foresight struct {
	Condition Condition `json:"condition"`
	// Steps are the horizons k, in control steps from 1: step 1 is where the present base action leads.
	Steps []int `json:"steps"`
	// ObserverGain, above 0, makes a Lookahead reckon with the estimated disturbance d (see koopman.Observer) and
	// read C d too.
	ObserverGain float64 `json:"observer_gain"`
	// CriticOnly keeps it from the actor, which reads ResiP's x: the critics alone read it, in training (an
	// asymmetric actor-critic, Pinto et al. 2017, arXiv 1710.06542). The value of a state depends on the rest of the
	// chunk, and actors that read it too were not better.
	CriticOnly bool `json:"critic_only,omitempty"`
}

const (
	// disturbanceScale makes a disturbance of the latent, per step, a number of order one.
	disturbanceScale = 10
	// aheadLimit bounds every number read from a prediction.
	aheadLimit = 3
	// MaxForesight bounds the steps of a Foresight.
	MaxForesight = 64
)

func (f *Foresight) published() bool { return f.Condition == Published || f.Condition == "" }

// acting is what is left of the foresight when a policy acts.
func (f *Foresight) acting() Foresight {
	if f.CriticOnly {
		return Foresight{}
	}
	return *f
}

// Validate compares the foresight with the method; the error wraps ErrPolicy.
func (f *Foresight) Validate(m Method) error {
	if f.CriticOnly && f.published() {
		return fmt.Errorf("%w: nothing for the critics alone to read of condition %q", ErrPolicy, f.Condition)
	}
	switch f.Condition {
	case Published, "":
		return nil
	case Lookahead:
		if m != MethodKORR {
			return fmt.Errorf("%w: condition %q needs method %q", ErrPolicy, f.Condition, MethodKORR)
		}
	case Plan:
		if m != MethodResiP {
			return fmt.Errorf("%w: condition %q needs method %q", ErrPolicy, f.Condition, MethodResiP)
		}
	default:
		return fmt.Errorf("%w: unknown condition %q", ErrPolicy, f.Condition)
	}
	if len(f.Steps) == 0 || len(f.Steps) > MaxForesight || slices.Min(f.Steps) < 1 || slices.Max(f.Steps) > MaxForesight {
		return fmt.Errorf("%w: foresight at steps %v, want some in 1..%d", ErrPolicy, f.Steps, MaxForesight)
	}
	if !(f.ObserverGain >= 0 && f.ObserverGain <= 1) {
		return fmt.Errorf("%w: observer gain %g, want 0..1", ErrPolicy, f.ObserverGain)
	}
	return nil
}

// plainDim is how many values a model reads before the features, if it reads any, of an observation of baseDim values.
func plainDim(m *koopman.Model, baseDim int) int {
	if r := m.Config().State; r > 0 {
		return r
	}
	return baseDim
}

// coordinates are those of the latent that a look-ahead reads: the task's features, without features the
// whole observation, of a lift without the state everything.
func coordinates(m *koopman.Model, baseDim int) (from, to int) {
	c := m.Config()
	plain := plainDim(m, baseDim)
	switch {
	case !c.StateInclusive:
		return 0, c.LatentDim
	case c.ObsDim > plain:
		return plain, c.ObsDim
	}
	return 0, c.ObsDim
}

// dim is the width of what the foresight adds to x, for a base policy that reads baseDim values.
func (f *Foresight) dim(m *koopman.Model, baseDim int) int {
	switch f.Condition {
	case Lookahead:
		from, to := coordinates(m, baseDim)
		n := len(f.Steps)
		if f.ObserverGain > 0 {
			n++
		}
		return n * (to - from)
	case Plan:
		return leadDim * len(f.Steps)
	}
	return 0
}
