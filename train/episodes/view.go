package episodes

import (
	"fmt"

	"korr/basepolicy"
	"korr/koopman"
	"korr/residual"
)

// NewEncoder returns a new encoder of a base policy's observations. features makes the task's features; nil for none,
// which a base policy that reads them refuses.
func NewEncoder(base basepolicy.Policy, features func() residual.Features) (*residual.Encoder, error) {
	var feats residual.Features
	if features != nil {
		feats = features()
	}
	about, n := base.About(), 0
	if feats != nil {
		n = feats.Dim()
	}
	if about.Features != 0 && about.Features != n {
		return nil, fmt.Errorf("the base policy reads %d of its task's features, this run has %d: "+
			"set residual.features=true, or choose a base policy of this task (residual.base)", about.Features, n)
	}
	return residual.NewEncoder(about.Obs, about.Act, feats).Feeding(about), nil
}

// Spec says what the networks read in an episode.
type Spec struct {
	Base      basepolicy.Policy
	Execute   int                      // actions executed of every chunk
	Features  func() residual.Features // makes the task's features; nil for none
	Koopman   *koopman.Model           // frozen, for a look-ahead; else nil
	Foresight residual.Foresight       // what is read of the steps ahead
	// coordinates of the robot's state that an actor reads instead of the whole observation; 0 = all
	Focus int
	Sight residual.Sight // what is read of the senses beside the present
	Parts []int          // whose belief Sight reads
	// what estimates the observations before they come to the view, for the belief about them; nil for nothing
	Seen *Estimated
}

// View follows one episode with the frozen base policy: the control step of package residual, and what a trainer's
// networks read of it.
type View struct {
	*residual.Tick
	queue *basepolicy.Queue
	seen  *Estimated // nil: observations are true
	ahead *ahead     // nil: planning is at once
}

// ahead is the scratch of PlanAhead.
type ahead struct{ xo, read, act []float32 }

// NewView returns a view with scratch of its own.
func NewView(s Spec) (View, error) {
	enc, err := NewEncoder(s.Base, s.Features)
	if err != nil {
		return View{}, err
	}
	queue := basepolicy.NewQueue(s.Base.NewChunker(), s.Execute)
	var est residual.Estimator // not s.Seen: a nil pointer in the interface would not be nil
	if s.Seen != nil {
		est = told{s.Seen}
	}
	tick, err := residual.NewTick(enc.Focused(s.Focus).Sighted(s.Sight, s.Parts), queue, s.Koopman, s.Foresight, est)
	v := View{Tick: tick, queue: queue, seen: s.Seen}
	if about := s.Base.About(); err == nil && about.Waits {
		v.ahead = &ahead{make([]float32, enc.Dim()), make([]float32, enc.BaseDim()), make([]float32, enc.ActDim())}
	}
	return v, err
}

// PlanAhead plans, for a base policy that waits for another process, the chunk that ObserveTo or PeekTo will want at
// obs, so that the plans of several views can be made at once: each may have a goroutine. For other base policies it
// does nothing.
func (v View) PlanAhead(obs []float32) error {
	a := v.ahead
	if a == nil {
		return nil
	}
	enc := v.Encoder()
	enc.EncodeTo(a.xo, obs)
	if err := v.queue.PeekTo(a.act, enc.BaseInput(a.read, a.xo, obs)); err != nil {
		return fmt.Errorf("base policy: %w", err)
	}
	return nil
}

// Waits reports whether PlanAhead does anything.
func (v View) Waits() bool { return v.ahead != nil }

// ObserveTo fills a network input x [Layout.Width] for a raw observation; the base policy advances.
func (v View) ObserveTo(x, obs []float32) error { return v.readTo(x, obs, v.queue) }

// PeekTo fills x for the last observation of an episode with the base action that would have come next. The base
// policy does not advance.
func (v View) PeekTo(x, obs []float32) error { return v.readTo(x, obs, v.queue.Peeking()) }

func (v View) readTo(x, obs []float32, base basepolicy.Planner) error {
	if _, err := v.Observe(obs); err != nil {
		return err
	}
	if v.seen != nil {
		v.Tell(v.seen.Truth())
	}
	if err := v.BaseOf(base); err != nil {
		return err
	}
	v.InputTo(x)
	return nil
}
