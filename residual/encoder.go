package residual

import (
	"fmt"

	"korr/basepolicy"
)

const (
	// leadScale is the distance (m) by which the lead of the base action over the arm is divided.
	leadScale = 0.02
	// leadLimit bounds the scaled lead.
	leadLimit = 2
	// leadDim is the width of the lead: the position's three axes.
	leadDim = 3
)

// Features turns a raw observation into task-relative numbers (distances to the target pose, say).
type Features interface {
	// Dim is how many there are.
	Dim() int
	// FeaturesTo writes them to dst [Dim].
	FeaturesTo(dst, obsRaw []float32)
}

// Encoder turns raw observations into what the networks read. It holds no scratch: any goroutine may use
// it, if its Features allow that.
type Encoder struct {
	obs, act *basepolicy.Normalizer
	feats    Features
	featDim  int
}

// NewEncoder returns an encoder of what obs and act were fitted on. feats may be nil. It panics on a normaliser that is not
// valid or an action narrower than a position.
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
	return e
}

// RawDim is D0, the width of a raw observation.
func (e *Encoder) RawDim() int { return e.obs.RawDim() }

// BaseDim is the width of what the base policy reads: the beginning of an encoded observation.
func (e *Encoder) BaseDim() int { return e.obs.Dim() }

// Dim is D, the width of an encoded observation x_o: BaseDim and the features.
func (e *Encoder) Dim() int { return e.obs.Dim() + e.featDim }

// ActDim is U, the width of an action.
func (e *Encoder) ActDim() int { return e.act.Dim() }

// ActorInputDim is the width of ResiP's input [x_o, u_b, lead, phase].
func (e *Encoder) ActorInputDim() int { return e.Dim() + e.ActDim() + leadDim + 1 }

// EncodeTo writes x_o [Dim] for the raw observation [RawDim]. Its first BaseDim values are what the
// base policy reads.
func (e *Encoder) EncodeTo(xo, obsRaw []float32) {
	n := e.obs.Dim()
	xo, obsRaw = xo[:e.Dim()], obsRaw[:e.obs.RawDim()]
	e.obs.NormalizeObsTo(xo[:n], obsRaw)
	if e.feats != nil {
		e.feats.FeaturesTo(xo[n:], obsRaw)
	}
}

// ActorInputTo writes ResiP's input x [ActorInputDim]: the encoded observation xo [Dim], the normalised
// base action ub [ActDim], how far the position it commands leads the measured one (in units of 2 cm,
// clipped at 2) and the phase. xo may be the beginning of x.
func (e *Encoder) ActorInputTo(x, xo, ub, obsRaw []float32, phase float32) {
	x = x[:e.ActorInputDim()]
	n := copy(x, xo[:e.Dim()])
	n += copy(x[n:], ub[:e.ActDim()])
	e.leadTo(x[n:], ub, obsRaw, leadScale)
	x[n+leadDim] = phase
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

// NormalizeActionTo maps raw actions to [-1, 1]; dst may be raw.
func (e *Encoder) NormalizeActionTo(dst, raw []float32) { e.act.NormalizeTo(dst, raw) }

// DenormalizeActionTo is the inverse of NormalizeActionTo.
func (e *Encoder) DenormalizeActionTo(dst, u []float32) { e.act.DenormalizeTo(dst, u) }
