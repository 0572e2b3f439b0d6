package residual

import (
	"fmt"

	"korr/basepolicy"
	"korr/internal/layout"
)

const (
	// leadScale is the distance (m) by which the lead of the base action over the arm is divided.
	leadScale = 0.02
	// leadLimit bounds the scaled lead.
	leadLimit = 2
	// leadDim is the width of the lead: the position's three axes.
	leadDim = layout.Vector
)

// Features turns a raw observation into task-relative numbers (distances to the target pose, say).
type Features interface {
	// Dim is how many there are.
	Dim() int
	// FeaturesTo writes them to dst [Dim].
	FeaturesTo(dst, obsRaw []float32)
	// DetailDim is how many finer numbers there are for a focused actor.
	DetailDim() int
	// DetailTo writes those to dst [DetailDim]. They need not be what a linear model could predict.
	DetailTo(dst, obsRaw []float32)
}

// Focus narrows what an actor reads to what the task turns on. The zero value reads the whole observation and no
// details.
type Focus struct {
	// State is how many leading coordinates of the normalised observation are read: the robot's own state. 0 = all.
	State int `json:"robot"`
	// Detail is how many of the features' details are read: all of them, or none without a focus.
	Detail int `json:"detail"`
}

// Encoder turns raw observations into what the networks read. It holds no scratch: any goroutine may use
// it, if its Features allow that.
type Encoder struct {
	obs, act *basepolicy.Normalizer
	feats    Features
	featDim  int
	baseFeat int // features that the base policy reads: all or none
	baseRaw  int // width of the raw observation where the base policy reads it, else 0
	focus    Focus
	sight    Sight
	parts    []int        // of which the belief is read
	in       layout.Input // of ResiP's x
}

// NewEncoder returns an encoder of what obs and act were fitted on. feats may be nil. It panics on a normaliser that
// is not valid or an action narrower than a position.
func NewEncoder(obs, act *basepolicy.Normalizer, feats Features) *Encoder {
	for _, n := range []*basepolicy.Normalizer{obs, act} {
		if err := n.Validate(); err != nil {
			panic("residual: NewEncoder: " + err.Error())
		}
	}
	if act.Dim() < leadDim || obs.Dim() < leadDim {
		panic(fmt.Sprintf("residual: NewEncoder: %d observations, %d actions", obs.Dim(), act.Dim()))
	}
	e := &Encoder{obs: obs, act: act, feats: feats}
	if feats != nil {
		e.featDim = feats.Dim()
	}
	e.in = e.Layout(0)
	return e
}

// Focused returns an encoder whose actor inputs hold, of the normalised observation, the first state coordinates
// alone, and the features with their details; 0 for all of the observation and no details. Networks that have to find
// out which parts do not matter need several times the steps.
func (e *Encoder) Focused(state int) *Encoder {
	if state < 0 || state > e.obs.Dim() || state > 0 && e.featDim == 0 {
		panic(fmt.Sprintf("residual: Encoder.Focused(%d) of an observation of %d and %d features", state,
			e.obs.Dim(), e.featDim))
	}
	f := *e
	f.focus = Focus{State: state}
	if state > 0 {
		f.focus.Detail = e.feats.DetailDim()
	}
	f.in = f.Layout(0)
	return &f
}

// Sighted returns an encoder whose inputs also hold what s names, the belief about the parts given.
func (e *Encoder) Sighted(s Sight, parts []int) *Encoder {
	f := *e
	f.sight, f.parts = s, parts
	f.in = f.Layout(0)
	return &f
}

// pastWidth is the width of a row of history.
func (e *Encoder) pastWidth() int { return e.featDim + e.focus.Detail + e.ActDim() }

// Focus says what an actor reads.
func (e *Encoder) Focus() Focus { return e.focus }

// RawDim is D0, the width of a raw observation.
func (e *Encoder) RawDim() int { return e.obs.RawDim() }

// Feeding returns an encoder for a base policy that reads what about says after the observation. It panics when there
// are other features.
func (e *Encoder) Feeding(about basepolicy.About) *Encoder {
	features := about.Features
	if features != 0 && features != e.featDim {
		panic(fmt.Sprintf("residual: the base policy reads %d features, the task has %d", features, e.featDim))
	}
	f := *e
	f.baseFeat, f.baseRaw = features, 0
	if about.Raw {
		f.baseRaw = e.obs.RawDim()
	}
	return &f
}

// ObsDim is the width of a normalised observation: the beginning of an encoded one.
func (e *Encoder) ObsDim() int { return e.obs.Dim() }

// BaseDim is the width of what the base policy reads: the beginning of an encoded observation, with the features or
// without, and the raw observation where it reads that.
func (e *Encoder) BaseDim() int { return e.obs.Dim() + e.baseFeat + e.baseRaw }

// BaseInput is what the base policy reads of the encoded observation xo [Dim] of obsRaw: a part of xo, or of the
// scratch [BaseDim] where that cannot be.
func (e *Encoder) BaseInput(scratch, xo, obsRaw []float32) []float32 {
	if e.baseRaw == 0 {
		return xo[:e.BaseDim()]
	}
	n := copy(scratch, xo[:e.obs.Dim()+e.baseFeat])
	copy(scratch[n:], obsRaw[:e.baseRaw])
	return scratch[:e.BaseDim()]
}

// Dim is D, the width of an encoded observation x_o: ObsDim and the features.
func (e *Encoder) Dim() int { return e.obs.Dim() + e.featDim }

// ActDim is U, the width of an action.
func (e *Encoder) ActDim() int { return e.act.Dim() }

// Layout names the spans of a network's input, with room for so many values of what lies ahead.
func (e *Encoder) Layout(ahead int) layout.Input {
	plain := e.ObsDim()
	if e.focus.State > 0 {
		plain = e.focus.State
	}
	w := layout.Widths{
		Plain: plain, Features: e.featDim, Action: e.ActDim(),
		Detail: e.focus.Detail, History: e.sight.History * e.pastWidth(), Ahead: ahead,
	}
	if e.sight.Belief {
		w.Belief = beliefWidth * len(e.parts)
	}
	if e.sight.Truth {
		w.Truth = e.featDim + e.focus.Detail
	}
	return layout.NewInput(w)
}

// PartDim is the width of what PartTo writes.
func (e *Encoder) PartDim(state int) int {
	if state > 0 {
		return state + e.featDim
	}
	return e.Dim()
}

// PartTo writes the first state coordinates and the features of the encoded observation xo [Dim], all of it for 0, to
// dst [PartDim].
func (e *Encoder) PartTo(dst, xo []float32, state int) {
	if state == 0 {
		state = e.obs.Dim()
	}
	n := copy(dst, xo[:state])
	copy(dst[n:], xo[e.obs.Dim():e.Dim()])
}

// seenTo writes features and details of a raw observation to dst [featDim + details].
func (e *Encoder) seenTo(dst, obsRaw []float32) {
	e.feats.FeaturesTo(dst[:e.featDim], obsRaw)
	if e.focus.Detail > 0 {
		e.feats.DetailTo(dst[e.featDim:], obsRaw)
	}
}

// ActorInputDim is the width of ResiP's input [x_o, u_b, lead, phase, details], of x_o what the actor reads.
func (e *Encoder) ActorInputDim() int { return e.in.Width() }

// EncodeTo writes x_o [Dim] for the raw observation [RawDim]. It begins with what the base policy reads (BaseInput).
func (e *Encoder) EncodeTo(xo, obsRaw []float32) {
	n := e.obs.Dim()
	xo, obsRaw = xo[:e.Dim()], obsRaw[:e.obs.RawDim()]
	e.obs.NormalizeObsTo(xo[:n], obsRaw)
	if e.feats != nil {
		e.feats.FeaturesTo(xo[n:], obsRaw)
	}
}

// ActorInputTo writes ResiP's input x [ActorInputDim]: what an actor reads of the encoded observation xo [Dim], the
// normalised base action ub [ActDim], how far the position it commands leads the measured one (in units of 2 cm,
// clipped at 2), the phase and the details.
func (e *Encoder) ActorInputTo(x, xo, ub, obsRaw []float32, phase float32) {
	in := &e.in
	e.PartTo(in.Observed().Of(x), xo, e.focus.State)
	copy(in.Base.Of(x), ub)
	e.leadTo(in.Lead.Of(x), ub, obsRaw, leadScale)
	x[in.Phase.From] = phase
	if e.focus.Detail > 0 {
		e.feats.DetailTo(in.Detail.Of(x), obsRaw)
	}
}

// leadTo writes how far the position that the normalised action u commands leads the measured one, in
// units of scale (m), clipped, to dst [leadDim].
func (e *Encoder) leadTo(dst, u, obsRaw []float32, scale float32) {
	for i := range leadDim {
		lo := e.act.Min[i]
		commanded := (u[i]+1)/2*(e.act.Max[i]-lo) + lo
		dst[i] = max(-leadLimit, min(leadLimit, (commanded-obsRaw[i])/scale))
	}
}

// leadAgain computes the lead in the actor input x anew, from the position and the base action in x.
func (e *Encoder) leadAgain(x []float32) {
	var position [leadDim]float32
	for i := range position {
		lo := e.obs.Min[i]
		position[i] = (x[i]+1)/2*(e.obs.Max[i]-lo) + lo
	}
	e.leadTo(e.in.Lead.Of(x), e.in.Base.Of(x), position[:], leadScale)
}

// NormalizeActionTo maps raw actions to [-1, 1]; dst may be raw.
func (e *Encoder) NormalizeActionTo(dst, raw []float32) { e.act.NormalizeTo(dst, raw) }

// DenormalizeActionTo is the inverse of NormalizeActionTo.
func (e *Encoder) DenormalizeActionTo(dst, u []float32) { e.act.DenormalizeTo(dst, u) }
