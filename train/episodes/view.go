package episodes

import (
	"korr/basepolicy"
	"korr/residual"
)

// NewEncoder returns a new encoder of a base policy's observations. features makes the task's features; nil for none.
func NewEncoder(base *basepolicy.MLP, features func() residual.Features) *residual.Encoder {
	var feats residual.Features
	if features != nil {
		feats = features()
	}
	return residual.NewEncoder(base.Obs, base.Act, basepolicy.ObsLimit, feats)
}

// View follows one episode with the frozen base policy. Its Queue must be reset where an episode begins.
type View struct {
	Queue *basepolicy.Queue
	Enc   *residual.Encoder
}

// NewView returns a view with scratch of its own that executes that many actions of a chunk; features as for NewEncoder.
func NewView(base *basepolicy.MLP, execute int, features func() residual.Features) View {
	return View{Queue: basepolicy.NewQueue(base.NewChunker(), execute), Enc: NewEncoder(base, features)}
}

// ObserveTo fills x [Enc.ActorInputDim()] for a raw observation; the base policy advances.
func (v View) ObserveTo(x, obs []float32) error {
	v.Enc.EncodeTo(x, obs)
	base := v.base(x)
	if err := v.Queue.ActTo(base, x[:v.Enc.BaseDim()]); err != nil {
		return err
	}
	v.Enc.ActorInputTo(x, x, base, obs, v.Queue.Phase())
	return nil
}

// PeekTo fills x for the last observation of an episode with the base action that would have come next. The base policy
// does not advance.
func (v View) PeekTo(x, obs []float32) error {
	v.Enc.EncodeTo(x, obs)
	base, phase := v.base(x), v.Queue.NextPhase()
	if err := v.Queue.PeekTo(base, x[:v.Enc.BaseDim()]); err != nil {
		return err
	}
	v.Enc.ActorInputTo(x, x, base, obs, phase)
	return nil
}

// base is the base action's place in a network input.
func (v View) base(x []float32) []float32 {
	d := v.Enc.Dim()
	return x[d : d+v.Enc.ActDim()]
}
