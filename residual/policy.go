package residual

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"korr/basepolicy"
	"korr/internal/layout"
	"korr/internal/nn"
	"korr/internal/tensorfile"
	"korr/koopman"
	"korr/koopman/filter"
)

// Method names what refines the base policy.
type Method string

// The methods.
const (
	MethodBase  Method = "base"  // nothing: the base acts alone
	MethodResiP Method = "resip" // an actor that reads the encoded observation and the base action
	MethodKORR  Method = "korr"  // an actor that reads what a Koopman model predicts the base to lead to
)

// ErrPolicy marks a policy whose parts do not fit together.
var ErrPolicy = errors.New("residual: policy does not fit together")

// Policy is everything that acts: what a checkpoint holds and a robot loads. Controllers made of it share
// its weights and see them change.
type Policy struct {
	Method    Method
	Task      string            // the task it was trained for
	Base      basepolicy.Policy // frozen
	Koopman   *koopman.Model    // required by MethodKORR; else optional, and only watched (innovation)
	Actor     *nn.MLP           // pi; nil for MethodBase
	Alpha     float32           // scale of the residual
	Squash    Squash            // of the actor's output
	Execute   int               // actions executed of each chunk
	Features  bool              // task features are part of the observation
	Focus     Focus             // what the actor reads of the observation
	Foresight Foresight         // what actor, or critics alone, read of the steps ahead
	Sight     Sight             // what they read of the senses beside the present
	Meta      map[string]string // origin: seed, configuration, dataset, ...; free

	// What stands between the tracker and everything above; Filter is nil for none.
	Estimation Estimation
	Filter     *filter.Fitted

	fold *koopman.Folded // see Fold; nil: controllers compute model and actor one after the other
}

// Fold makes later controllers use the product of the linear maps between the lift and the actor's first activation,
// multiplied out now, for a policy whose actor reads the prediction alone. The residual is the same up to rounding.
// Load does this; weights that change later are not seen. Every other policy stays as it is: a look-ahead is
// multiplied out already (koopman.Lookahead), and what it gives is clamped before the actor reads it.
func (p *Policy) Fold() error {
	p.fold = nil
	if p.Reads() != ReadsLatent {
		return nil
	}
	var err error
	p.fold, err = p.Koopman.Fold(p.Actor)
	return err
}

// Validate returns an error that wraps ErrPolicy if the parts do not fit together.
func (p *Policy) Validate() error {
	if p.Base == nil {
		return fmt.Errorf("%w: no base policy", ErrPolicy)
	}
	switch p.Method {
	case MethodBase:
		if p.Actor != nil {
			return fmt.Errorf("%w: method %q has an actor", ErrPolicy, p.Method)
		}
	case MethodResiP, MethodKORR:
		if p.Actor == nil || p.Method == MethodKORR && p.Koopman == nil {
			return fmt.Errorf("%w: method %q lacks its actor or its Koopman model", ErrPolicy, p.Method)
		}
	default:
		return fmt.Errorf("%w: unknown method %q", ErrPolicy, p.Method)
	}
	if h := p.Base.About().Horizon; p.Execute < 1 || p.Execute > h {
		return fmt.Errorf("%w: execute %d of a chunk of %d actions", ErrPolicy, p.Execute, h)
	}
	if !(p.Alpha >= 0 && p.Alpha <= math.MaxFloat32) || p.Squash != Tanh && p.Squash != Linear {
		return fmt.Errorf("%w: alpha %g, squash %d", ErrPolicy, p.Alpha, p.Squash)
	}
	if err := p.Foresight.Validate(p.Method); err != nil {
		return err
	}
	if err := p.validateFocus(); err != nil {
		return err
	}
	if p.Base.About().Features > 0 && p.Method != MethodBase && !p.Features {
		return fmt.Errorf("%w: the base policy reads the task's features, the residual does not: train it with "+
			"residual.features=true", ErrPolicy)
	}
	if _, err := p.NewEstimator(); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if err := p.Sight.validate(p.Features, p.Estimates()); err != nil {
		return err
	}
	if p.Sight.acting() != (Sight{}) && p.Reads() == ReadsLatent {
		return fmt.Errorf("%w: an actor that reads the latent alone has no place for %+v", ErrPolicy, p.Sight)
	}
	return p.validateWidths()
}

// Estimates reports whether something stands between the tracker and the policy.
func (p *Policy) Estimates() bool { return p.Estimation != AsSeen && p.Estimation != "" }

// NewEstimator makes the policy's estimator; nil for none.
func (p *Policy) NewEstimator() (Estimator, error) {
	if !p.Estimates() {
		return nil, nil
	}
	e, err := NewPoseEstimator(p.Estimation, p.Filter, p.Base.About().Obs.RawDim(), filter.Noise{})
	if err != nil {
		return nil, err // not e: a nil *PoseEstimator in the interface would not be nil
	}
	return e, nil
}

func (p *Policy) validateFocus() error {
	f, raw := p.Focus, p.Base.About().ObsDim()
	if f == (Focus{}) {
		return nil
	}
	if f.State < 1 || f.State > raw || f.Detail < 0 || !p.Features || p.Reads() == ReadsLatent {
		return fmt.Errorf("%w: focus on %d of %d observed values and %d details, with features %t", ErrPolicy,
			f.State, raw, f.Detail, p.Features)
	}
	return nil
}

// layout names the spans of what the actor reads of an encoded observation of d values, unless that is the latent.
func (p *Policy) layout(d int) layout.Input {
	raw, acting := p.Base.About().ObsDim(), p.Foresight.acting()
	w := layout.Widths{
		Plain: raw, Features: d - raw, Action: p.Base.About().ActDim(), Detail: p.Focus.Detail,
		Ahead: acting.dim(p.Koopman, raw),
	}
	w.History = p.Sight.History * (w.Features + w.Detail + w.Action)
	if p.Sight.Belief {
		w.Belief = beliefWidth * len(p.jointed())
	}
	if p.Focus.State > 0 {
		w.Plain = p.Focus.State
	}
	return layout.NewInput(w)
}

// validateWidths compares the networks' widths with the base's.
func (p *Policy) validateWidths() error {
	raw, u := p.Base.About().ObsDim(), p.Base.About().ActDim()
	d, known := p.encodedDim()
	if !known {
		return nil
	}
	if p.Features != (d > raw) || d < raw {
		return fmt.Errorf("%w: the networks read %d values of an observation of %d, features %t", ErrPolicy, d,
			raw, p.Features)
	}
	if k := p.Koopman; k != nil {
		c, latent := k.Config(), p.Reads() == ReadsLatent
		if c.ActDim != u || c.State > raw || c.State > 0 && (!p.Features || latent) || c.Bilinear && latent {
			return fmt.Errorf("%w: a Koopman model that reads %d values, %d of them the robot's (0 = all observed), and %d "+
				"actions, bilinear %t, with features %t and condition %q",
				ErrPolicy, c.ObsDim, c.State, c.ActDim, c.Bilinear, p.Features, p.Foresight.Condition)
		}
	}
	if p.Actor == nil {
		return nil
	}
	want := p.layout(d).Width()
	if p.Reads() == ReadsLatent {
		want = p.Koopman.LatentDim()
	}
	if p.Actor.In() != want || p.Actor.Out() != u {
		return fmt.Errorf("%w: the actor maps %d values to %d, want %d to %d", ErrPolicy, p.Actor.In(), p.Actor.Out(),
			want, u)
	}
	return nil
}

// encodedDim is D as the trained parts know it; false if nothing depends on it.
func (p *Policy) encodedDim() (d int, known bool) {
	raw := p.Base.About().ObsDim()
	switch {
	case p.Koopman != nil:
		return p.Koopman.Config().ObsDim + raw - plainDim(p.Koopman, raw), true
	case p.Actor != nil: // what is not accounted for is features, of the present and of every earlier step
		return raw + (p.Actor.In()-p.layout(raw).Width())/(1+p.Sight.History), true
	}
	return 0, false
}

// jointed are the parts of which an actor reads the belief.
func (p *Policy) jointed() []int {
	if !p.Estimates() || p.Filter == nil {
		return nil
	}
	return p.Filter.Scene.Jointed()
}

// ErrFeatures says that features are not those that a policy reads.
var ErrFeatures = errors.New("residual: not the features of this policy")

// Encoder returns the encoder of the policy's observations. feats is ignored unless the policy has features, and then
// must be those of its task: ErrFeatures.
func (p *Policy) Encoder(feats Features) (*Encoder, error) {
	base := p.Base.About()
	if !p.Features && base.Features == 0 {
		feats = nil
	} else if feats == nil {
		return nil, fmt.Errorf("%w: it reads those of task %q, and there are none", ErrFeatures, p.Task)
	} else if n := base.Features; n != 0 && n != feats.Dim() {
		return nil, fmt.Errorf("%w: the base policy reads %d of task %q, there are %d", ErrFeatures, n, p.Task, feats.Dim())
	}
	if of, named := feats.(interface{ TaskName() string }); named && p.Task != "" && of.TaskName() != p.Task {
		return nil, fmt.Errorf("%w: it is of task %q, they are of %q", ErrFeatures, p.Task, of.TaskName())
	}
	if s := p.Focus.State; s < 0 || s > base.Obs.Dim() || s > 0 && feats == nil {
		return nil, fmt.Errorf("%w: a focus on %d of %d values, features %t", ErrPolicy, s, base.Obs.Dim(), feats != nil)
	}
	return NewEncoder(base.Obs, base.Act, feats).Feeding(base).Focused(p.Focus.State).Sighted(p.Sight.acting(),
		p.jointed()), nil
}

// NewController returns a controller with scratch of its own. feats, the task's features, are ignored
// unless the policy has features. It refuses a policy that Validate refuses, and features of another task: ErrFeatures.
func (p *Policy) NewController(feats Features) (*Controller, error) {
	if err := p.Validate(); err != nil { // before its base policy is asked for anything
		return nil, err
	}
	return p.controller(feats, basepolicy.NewQueue(p.Base.NewChunker(), p.Execute))
}

// controller is NewController with a planner of the base.
func (p *Policy) controller(feats Features, base basepolicy.Planner) (*Controller, error) {
	enc, err := p.Encoder(feats)
	if err != nil {
		return nil, err
	}
	if d, known := p.encodedDim(); known && (d != enc.Dim() || p.Focus != enc.Focus()) {
		return nil, fmt.Errorf("%w: it reads %d encoded values %+v, there are %d %+v with these", ErrFeatures, d, p.Focus,
			enc.Dim(), enc.Focus())
	}
	cfg := Config{Base: base, Encoder: enc, Reads: p.Reads(), Alpha: p.Alpha, Squash: p.Squash}
	if cfg.Tracker, err = NewTracker(enc, p.Koopman, p.Foresight.acting()); err != nil {
		return nil, err
	}
	if cfg.Estimator, err = p.NewEstimator(); err != nil {
		return nil, err
	}
	if p.Actor != nil {
		cfg.Head = p.Actor.Evaluator()
	}
	var fold *koopman.FoldedPredictor
	if p.fold != nil {
		fold = p.fold.Predictor()
		cfg.Tracker.model = fold // lift and head share the hidden layers
	}
	c, err := NewController(cfg)
	if err != nil {
		return nil, err
	}
	c.fold = fold
	return c, nil
}

// Fingerprint identifies a base policy by its weights, its normalisers and whether it averages its chunks: 16
// hexadecimal digits.
func Fingerprint(base basepolicy.Policy) (string, error) {
	var f tensorfile.File
	if err := base.SaveTo(&f, ""); err != nil {
		return "", err
	}
	h := sha256.New()
	if e, ok := base.(basepolicy.Ensembled); ok {
		fmt.Fprintf(h, "ensemble %g\n", e.Rate)
	}
	var word [4]byte
	for _, t := range f.Tensors {
		fmt.Fprintf(h, "%s %v\n", t.Name, t.Shape)
		for _, v := range t.F32 {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			h.Write(word[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}
