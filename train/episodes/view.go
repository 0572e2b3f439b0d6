package episodes

import (
	"korr/basepolicy"
	"korr/koopman"
	"korr/residual"
)

// NewEncoder returns a new encoder of a base policy's observations. features makes the task's features; nil for none.
func NewEncoder(base basepolicy.Policy, features func() residual.Features) *residual.Encoder {
	var feats residual.Features
	if features != nil {
		feats = features()
	}
	about := base.About()
	return residual.NewEncoder(about.Obs, about.Act, feats).Feeding(about.Features)
}

// Spec says what the networks read in an episode.
type Spec struct {
	Base      basepolicy.Policy
	Execute   int                      // actions executed of every chunk
	Features  func() residual.Features // makes the task's features; nil for none
	Koopman   *koopman.Model           // frozen, for a look-ahead; else nil
	Foresight residual.Foresight       // what is read of the steps ahead
	Focus     int                      // coordinates of the robot's state that an actor reads instead of the whole observation; 0 = all
}

// View follows one episode with the frozen base policy. Reset begins an episode.
type View struct {
	Queue *basepolicy.Queue
	Enc   *residual.Encoder
	Track *residual.Tracker

	xo, ub []float32 // encoded observation, normalised base action
}

// NewView returns a view with scratch of its own.
func NewView(s Spec) (View, error) {
	v := View{Queue: basepolicy.NewQueue(s.Base.NewChunker(), s.Execute), Enc: NewEncoder(s.Base, s.Features).Focused(s.Focus)}
	v.xo, v.ub = make([]float32, v.Enc.Dim()), make([]float32, v.Enc.ActDim())
	var err error
	v.Track, err = residual.NewTracker(v.Enc, s.Koopman, s.Foresight)
	return v, err
}

// Dim is the width of a network input.
func (v View) Dim() int { return v.Enc.ActorInputDim() + v.Track.Dim() }

// Reset begins an episode.
func (v View) Reset(seed uint64) {
	v.Queue.Reset(seed)
	v.Track.Reset()
}

// Executed tells which raw command followed the last observation.
func (v View) Executed(cmdRaw []float32) { v.Track.Executed(cmdRaw) }

// ObserveTo fills x [Dim] for a raw observation; the base policy advances.
func (v View) ObserveTo(x, obs []float32) error {
	v.Enc.EncodeTo(v.xo, obs)
	v.Track.Observe(v.xo)
	if err := v.Queue.ActTo(v.ub, v.xo[:v.Enc.BaseDim()]); err != nil {
		return err
	}
	v.Queue.PlanTo(v.Track.Plan())
	v.aheadTo(x, obs, v.Queue.Phase())
	return nil
}

func (v View) aheadTo(x, obs []float32, phase float32) {
	v.Enc.ActorInputTo(x, v.xo, v.ub, obs, phase)
	v.Track.AheadTo(x[v.Enc.ActorInputDim():], obs)
}

// PeekTo fills x [Dim] for the last observation of an episode with the base action that would have come next. The base
// policy does not advance.
func (v View) PeekTo(x, obs []float32) error {
	v.Enc.EncodeTo(v.xo, obs)
	v.Track.Observe(v.xo)
	phase := v.Queue.NextPhase()
	if err := v.Queue.PeekTo(v.ub, v.xo[:v.Enc.BaseDim()]); err != nil {
		return err
	}
	v.Queue.PeekPlanTo(v.Track.Plan())
	v.aheadTo(x, obs, phase)
	return nil
}
