package residual

import (
	"errors"
	"fmt"

	"korr/koopman"
)

// Shift moves a stored network input x to where a small difference of the latent state would have brought it: what
// model-based value expansion needs of x's layout. It is for one goroutine and allocates nothing after it was made.
type Shift struct {
	enc    *Encoder
	look   [2]*koopman.Lookahead // with the gripper commanded to its least and to its most; nil when x holds no look-ahead
	obsDim int                   // of the model
	state  int                   // of the model's coordinates, those at the beginning of x; the others are features
	plan   []float32             // zeros
	ahead  []float32             // [Dim of look]
}

// NewShift returns the shift of the inputs of enc and of the foresight f that model looks ahead for. The model must
// lift state-inclusively, since the latent's difference has to tell the observation's, and read no more of it than x
// holds.
func NewShift(enc *Encoder, model *koopman.Model, f Foresight) (*Shift, error) {
	c := model.Config()
	s := &Shift{enc: enc, obsDim: c.ObsDim, state: c.ObsDim}
	if c.State > 0 {
		s.state = c.State
	}
	focus := enc.Focus().State
	switch {
	case !c.StateInclusive:
		return nil, errors.New("residual: shifting an observation needs a state-inclusive Koopman model: fit one with " +
			"koopman.state_inclusive=true")
	case c.ObsDim != enc.PartDim(c.State):
		return nil, fmt.Errorf("residual: the Koopman model reads %d values, the encoder has %d: fit it with the same "+
			"features setting", c.ObsDim, enc.PartDim(c.State))
	case focus > 0 && (c.State == 0 || c.State > focus):
		return nil, fmt.Errorf("residual: the Koopman model reads more of the observation than the %d values that a "+
			"focused input holds: fit one with koopman.focus=true", focus)
	}
	if f.Condition == Lookahead {
		from, to := coordinates(model, enc.ObsDim())
		for k, g := range []float32{-1, 1} {
			var err error
			if s.look[k], err = model.At(g).Lookahead(f.Steps, from, to); err != nil {
				return nil, fmt.Errorf("residual: %w", err)
			}
		}
		s.ahead, s.plan = make([]float32, s.look[0].Dim()), make([]float32, s.look[0].Steps()*enc.ActDim())
	}
	return s, nil
}

// ObsTo writes what the model observes, as x holds it, to dst [D of the model].
func (s *Shift) ObsTo(dst, x []float32) {
	n := copy(dst, x[:s.state])
	copy(dst[n:], s.features(x))
}

// features are those in x that the model reads beside the robot's state.
func (s *Shift) features(x []float32) []float32 {
	end := s.enc.in.Observed().To
	return x[end-(s.obsDim-s.state) : end]
}

// Apply moves x by the difference dz [L] of the latent. The observed coordinates follow the latent's, the lead of the
// base action is computed anew, and the look-ahead moves by the linear prediction C A^k dz, since the plan stays;
// with a bilinear model by that of a hand that stays as the present base action commands it. None but the lead moves
// by more than limit. Stay: the base action, the phase, the features' details, the disturbance, and coordinates that
// the model does not read.
func (s *Shift) Apply(x, dz []float32, limit float32) {
	bounded := func(v float32) float32 { return max(-limit, min(limit, v)) }
	for i := range s.state {
		x[i] += bounded(dz[i])
	}
	feats := s.features(x)
	for i, v := range dz[s.state:s.obsDim] {
		feats[i] += bounded(v)
	}
	s.enc.leadAgain(x)
	look := s.look[0]
	if x[s.enc.in.Base.To-1] > 0 { // the base action's gripper
		look = s.look[1]
	}
	if look == nil {
		return
	}
	look.PredictTo(s.ahead, dz, s.plan, nil)
	ahead := x[s.enc.in.Ahead.From:]
	for i, v := range s.ahead {
		ahead[i] = max(-aheadLimit, min(aheadLimit, ahead[i]+bounded(v)))
	}
}
