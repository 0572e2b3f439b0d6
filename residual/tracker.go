package residual

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"korr/koopman"
)

// Tracker follows one episode with a Koopman model: it lifts observations, compares them with what was
// predicted, estimates the disturbance and looks ahead along the base policy's plan. Controllers and the
// rollouts of trainers use the same one. It allocates nothing after it was made and is for one goroutine.
//
// The order of a step is Observe, AheadTo, Executed.
type Tracker struct {
	enc   *Encoder
	fore  Foresight
	model Predictor // nil for none
	look  *koopman.Lookahead
	obs   *koopman.Observer
	watch *koopman.Monitor // nil without a calibrated model
	from  int              // first coordinate that the observer hands on
	state int              // of the model (see koopman.Config)
	part  []float32        // what a model reads that does not read all of x_o

	plan    []float32 // [steps, U]
	z, zu   []float32 // lift; prediction with the executed action
	u       []float32 // executed action, normalised
	pending bool      // z and u hold a step whose zu is still to be computed
	ready   bool      // zu is the prediction for the next observation
	width   int
}

// Seen is what an observation told a Tracker.
type Seen struct {
	// Innovation is rms(z - z^); false in Innovated when nothing was predicted.
	Innovation float32
	Innovated  bool
	// Surprise is the innovation's calibrated score, 1 at the limit that demonstrations rarely exceed; 0 without a
	// calibrated model, or when nothing was predicted.
	Surprise float32
}

// NewTracker returns a tracker of what f asks for. model may be nil unless f needs it.
func NewTracker(enc *Encoder, model *koopman.Model, f Foresight) (*Tracker, error) {
	var p Predictor
	if model != nil {
		p = model.Predictor()
	}
	t := newTracker(enc, p)
	if model != nil {
		t.watch = model.Innovation
		if t.state = model.Config().State; t.state > 0 {
			t.part = make([]float32, enc.PartDim(t.state))
		}
	}
	if f.published() {
		return t, nil
	}
	t.fore, t.width = f, f.dim(model, enc.ObsDim())
	t.plan = make([]float32, slices.Max(f.Steps)*enc.ActDim())
	if f.Condition != Lookahead {
		return t, nil
	}
	if model == nil {
		return nil, errors.New("residual: a look-ahead needs a Koopman model")
	}
	from, to := coordinates(model, enc.ObsDim())
	var err error
	if t.look, err = model.Lookahead(f.Steps, from, to); err != nil {
		return nil, fmt.Errorf("residual: %w", err)
	}
	if f.ObserverGain > 0 {
		t.from = from
		if t.obs, err = koopman.NewObserver(model.LatentDim(), f.ObserverGain); err != nil {
			return nil, fmt.Errorf("residual: %w", err)
		}
	}
	return t, nil
}

func newTracker(enc *Encoder, p Predictor) *Tracker {
	t := &Tracker{enc: enc, model: p, u: make([]float32, enc.ActDim())}
	if p != nil {
		t.z, t.zu = make([]float32, p.LatentDim()), make([]float32, p.LatentDim())
	}
	return t
}

// Dim is the width of what AheadTo writes; 0 for a published input.
func (t *Tracker) Dim() int { return t.width }

// Plan is where the base policy's plan [n, U] belongs before AheadTo: normalised actions, the present one
// first. It is empty when nothing is read of it.
func (t *Tracker) Plan() []float32 { return t.plan }

// Reset starts an episode: no prediction and no disturbance is left over.
func (t *Tracker) Reset() {
	t.pending, t.ready = false, false
	if t.obs != nil {
		t.obs.Reset()
	}
}

// Observe lifts the encoded observation xo and compares it with what was predicted.
func (t *Tracker) Observe(xo []float32) Seen {
	var s Seen
	if t.model == nil {
		return s
	}
	t.predictExecuted()
	if t.state > 0 {
		t.enc.PartTo(t.part, xo, t.state)
		xo = t.part
	}
	t.model.LiftTo(t.z, xo)
	if t.ready {
		s.Innovation, s.Innovated = rms(t.z, t.zu)
	}
	if t.watch != nil && t.ready {
		if v := t.watch.Score(t.z, t.zu); v-v == 0 { // finite
			s.Surprise = v
		}
	}
	if s.Innovated && t.obs != nil {
		t.obs.Update(t.z, t.zu)
	}
	t.ready = false
	return s
}

// AheadTo writes what the actor reads of the steps ahead to dst [Dim]: after Observe, with Plan filled.
func (t *Tracker) AheadTo(dst, obsRaw []float32) {
	dst = dst[:t.width]
	switch t.fore.Condition {
	case Lookahead:
		n := t.look.Dim()
		var disturbance []float32
		if t.obs != nil {
			disturbance = t.obs.Disturbance()
		}
		t.look.PredictTo(dst, t.z, t.plan, disturbance)
		if t.obs != nil {
			for i, d := range disturbance[t.from : t.from+t.width-n] {
				dst[n+i] = disturbanceScale * d
			}
		}
		for i, v := range dst {
			dst[i] = max(-aheadLimit, min(aheadLimit, v))
		}
	case Plan:
		u := t.enc.ActDim()
		for i, k := range t.fore.Steps {
			t.enc.leadTo(dst[i*leadDim:(i+1)*leadDim], t.plan[(k-1)*u:], obsRaw, leadScale*float32(k))
		}
	}
}

// Executed tells which raw command [ActDim] followed the last Observe. The prediction for the next one is
// computed by Settle, or else when it is needed.
func (t *Tracker) Executed(cmdRaw []float32) {
	if t.model == nil {
		return
	}
	t.enc.NormalizeActionTo(t.u, cmdRaw[:len(t.u)])
	t.pending = true
}

// Settle computes the prediction that the next Observe compares with, off the critical path.
func (t *Tracker) Settle() { t.predictExecuted() }

func (t *Tracker) predictExecuted() {
	if t.pending {
		t.model.PredictTo(t.zu, t.z, t.u)
		t.pending, t.ready = false, true
	}
}

// rms is the root mean square of a - b, and whether it is finite.
func rms(a, b []float32) (float32, bool) {
	var sum float64
	for i, v := range a {
		d := float64(v - b[i])
		sum += d * d
	}
	v := float32(math.Sqrt(sum / float64(len(a))))
	if v-v != 0 {
		return 0, false
	}
	return v, true
}
