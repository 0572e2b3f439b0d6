package residual

import (
	"errors"
	"fmt"

	"korr/basepolicy"
	"korr/internal/layout"
	"korr/koopman"
	"korr/koopman/filter"
	"korr/residual/shield"
)

// Estimator turns what was observed into what a policy acts on: a filter of late or noisy poses, say.
type Estimator interface {
	// Reset starts an episode.
	Reset()
	// EstimateTo writes the raw observation to act on to dst [RawDim], after obs [RawDim] was observed, measured when
	// at says. cmd [ActDim] is the raw command executed since the observation before, nil at an episode's first.
	EstimateTo(dst, obs []float32, at When, cmd []float32) error
	// Parts is what is known of every part since then; nil where the estimator knows no parts. The slice is reused.
	Parts() []filter.Estimate
}

// When tells when an observation was measured, in control steps.
type When struct {
	// Steps is the time from the arm's state of the observation before to that of this one: 1 where control steps are
	// what counts time, 0 when the arm told nothing new, more after a pause. An episode's first ignores it.
	Steps float64
	// Ages of the arm's state and of every part's pose; empty where all of it is fresh.
	Ages []float64
}

// NextStep makes w that of the control step after the one before, where control steps are what counts time.
func (w *When) NextStep(ages []float32) {
	w.Steps, w.Ages = 1, w.Ages[:0]
	for _, a := range ages {
		w.Ages = append(w.Ages, float64(a))
	}
}

// Tick is one control step of a policy, the same for acting, training and playing:
//
//	observe -> estimate -> base action -> predict -> residual -> compose
//
// Observe does the first two and Base the third. InputTo predicts and writes what a residual network reads. The
// residual comes from a trained network (Controller) or from a trainer that explores. ComposeTo adds it to the base
// action, and Executed tells what was sent. Nothing allocates after NewTick. A Tick is for one goroutine.
type Tick struct {
	enc   *Encoder
	base  basepolicy.Planner
	est   Estimator // nil: the observation is acted on as it is
	track *Tracker
	in    layout.Input

	obs   []float32 // [RawDim] raw observation acted on
	xo    []float32 // [Dim] encoded
	read  []float32 // [BaseDim] what the base reads, where that is no part of xo
	ub    []float32 // [ActDim] normalised base action
	phase float32   // of the chunk
	past  *history  // nil where none is read
	seen  []float32 // [features, details] of obs, for past
	truth []float32 // [RawDim] what is so, for critics that read it: obs until it is told
	at    When      // of the next observation
	cmd   []float32 // [ActDim] raw command since obs
	sent  bool      // cmd holds one of this episode
}

// NewTick returns the tick of a base policy, for networks that read what f asks for. model may be nil unless f needs
// it; so may est.
func NewTick(enc *Encoder, base basepolicy.Planner, model *koopman.Model, f Foresight, est Estimator) (*Tick, error) {
	track, err := NewTracker(enc, model, f)
	if err != nil {
		return nil, err
	}
	return newTick(enc, base, track, est)
}

func newTick(enc *Encoder, base basepolicy.Planner, track *Tracker, est Estimator) (*Tick, error) {
	if base == nil || enc == nil {
		return nil, errors.New("residual: a control step needs a base policy and an encoder")
	}
	t := &Tick{
		enc: enc, base: base, est: est, track: track, in: enc.Layout(track.Dim()),
		obs: make([]float32, enc.RawDim()), xo: make([]float32, enc.Dim()), read: make([]float32, enc.BaseDim()),
		ub: make([]float32, enc.ActDim()), cmd: make([]float32, enc.ActDim()), at: When{Steps: 1},
	}
	if n := enc.sight.History; n > 0 {
		w := enc.pastWidth()
		t.past, t.seen = newHistory(n, w), make([]float32, w-enc.ActDim())
	}
	return t, nil
}

// Encoder returns the encoder.
func (t *Tick) Encoder() *Encoder { return t.enc }

// Layout names the spans of what InputTo writes.
func (t *Tick) Layout() layout.Input { return t.in }

// Reset starts an episode: the base policy is reset with seed, and no estimate, prediction or disturbance is left over.
func (t *Tick) Reset(seed uint64) {
	t.base.Reset(seed)
	t.track.Reset()
	if t.est != nil {
		t.est.Reset()
	}
	if t.past != nil {
		t.past.reset()
	}
	t.sent = false
	t.at.NextStep(nil)
}

// Tell hands over the true raw observation [RawDim] of the control step, after Observe, for critics that read it. It is
// kept until the next Observe and not copied.
func (t *Tick) Tell(truth []float32) { t.truth = truth }

// ReadAges tells how many control steps old the next observation is: the arm's state, then every part's pose. It
// holds until the next call or Reset; an episode begins with everything fresh. Control steps count time.
func (t *Tick) ReadAges(ages []float32) { t.at.NextStep(ages) }

// ReadTimes tells when the next observation was measured, by a clock. It holds like ReadAges.
func (t *Tick) ReadTimes(at When) {
	t.at.Steps, t.at.Ages = at.Steps, append(t.at.Ages[:0], at.Ages...)
}

// Replan drops the base policy's chunk and the prediction, because what happens next did not follow from the last
// action.
func (t *Tick) Replan() {
	t.base.Replan()
	t.track.Reset()
}

// Prepare lets a base policy that plans beside the control loop begin at the raw observation, and reports whether
// Base has an action. It never waits. The estimate begins with the first step.
func (t *Tick) Prepare(obsRaw []float32) (ready bool, err error) {
	t.enc.EncodeTo(t.xo, obsRaw[:t.enc.RawDim()])
	return t.base.Prepare(t.enc.BaseInput(t.read, t.xo, obsRaw))
}

// Observe takes in a raw observation [RawDim], estimates what to act on, encodes that and compares it with what was
// predicted. The error is the estimator's or a shield.NotFiniteError for the "observation"; nothing is then predicted
// for the next.
func (t *Tick) Observe(obsRaw []float32) (Seen, error) {
	obsRaw = obsRaw[:t.enc.RawDim()]
	err := shield.CheckFinite("observation", obsRaw)
	if err == nil {
		err = t.estimate(obsRaw)
	}
	if err != nil {
		t.track.Reset()
		return Seen{}, fmt.Errorf("residual: %w", err)
	}
	t.enc.EncodeTo(t.xo, t.obs)
	t.truth = t.obs
	if t.past != nil {
		t.enc.seenTo(t.seen, t.obs)
		t.past.turn(t.seen)
	}
	return t.track.Observe(t.xo), nil
}

// estimate fills obs with what the policy acts on.
func (t *Tick) estimate(obsRaw []float32) error {
	if t.est == nil {
		copy(t.obs, obsRaw)
		return nil
	}
	var cmd []float32
	if t.sent {
		cmd = t.cmd
	}
	if err := t.est.EstimateTo(t.obs, obsRaw, t.at, cmd); err != nil {
		return fmt.Errorf("estimate: %w", err)
	}
	return shield.CheckFinite("estimated observation", t.obs)
}

// Parts is what the estimator knows of every part since the last Observe; nil without one. The slice is reused.
func (t *Tick) Parts() []filter.Estimate {
	if t.est == nil {
		return nil
	}
	return t.est.Parts()
}

// Base asks the base policy for its action and plan: after Observe. The error is the policy's, or a
// shield.NotFiniteError for the "base action".
func (t *Tick) Base() error { return t.BaseOf(t.base) }

// BaseOf is Base with another planner, such as one that looks without advancing (basepolicy.Queue.Peeking).
func (t *Tick) BaseOf(base basepolicy.Planner) error {
	if err := base.ActTo(t.ub, t.enc.BaseInput(t.read, t.xo, t.obs)); err != nil {
		return fmt.Errorf("residual: base policy: %w", err)
	}
	if err := shield.CheckFinite("base action", t.ub); err != nil {
		return fmt.Errorf("residual: %w", err)
	}
	t.phase = base.Phase()
	if plan := t.track.Plan(); len(plan) > 0 {
		base.PlanTo(plan)
	}
	return nil
}

// InputTo writes a network's input x [Layout.Width]: after Base. What lies ahead is predicted here.
func (t *Tick) InputTo(x []float32) {
	t.enc.ActorInputTo(x, t.xo, t.ub, t.obs, t.phase)
	if t.in.Belief.Len() > 0 {
		beliefTo(t.in.Belief.Of(x), t.Parts(), t.enc.parts)
	}
	if t.past != nil {
		copy(t.in.History.Of(x), t.past.rows)
	}
	t.track.AheadTo(t.in.Ahead.Of(x), t.obs)
	if t.in.Truth.Len() > 0 {
		t.enc.seenTo(t.in.Truth.Of(x), t.truth)
	}
}

// PartTo writes the first state coordinates and the features of the encoded observation to dst (Encoder.PartTo).
func (t *Tick) PartTo(dst []float32, state int) { t.enc.PartTo(dst, t.xo, state) }

// ComposeTo writes the normalised action u = u_b + alpha r [ActDim] and the same in raw units, act: after Base.
func (t *Tick) ComposeTo(act, u, r []float32, alpha float32) {
	for i, b := range t.ub {
		u[i] = b + alpha*r[i]
	}
	t.enc.DenormalizeActionTo(act, u[:len(t.ub)])
}

// Executed tells which raw command [ActDim] followed the last Observe.
func (t *Tick) Executed(cmdRaw []float32) {
	copy(t.cmd, cmdRaw)
	t.sent = true
	if t.past != nil {
		n := copy(t.past.next, t.seen)
		t.enc.NormalizeActionTo(t.past.next[n:], t.cmd)
		t.past.ready = true
	}
	t.track.Executed(cmdRaw)
}

// Settle computes, off the critical path, the prediction that the next Observe compares with.
func (t *Tick) Settle() { t.track.Settle() }
