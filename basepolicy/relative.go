package basepolicy

import (
	"fmt"

	"korr/internal/layout"
	"korr/internal/tensorfile"
)

// relativeKey names the tensor of a relative policy's scales.
const relativeKey = "relative"

// Relative turns what a network says of a chunk's positions into the chunk's: a position of step h is that of the tool
// at the observation, and Scale[h] times what the network says. A motion of millimetres is then a number of order one
// wherever on the table it happens; as a share of the whole workspace it is a thousandth (relative trajectories: Chi et
// al. 2024, arXiv 2402.10329). Rotations and the gripper stay as they are.
type Relative struct {
	Scale []float32 // [H, 3], in units of the normalised action

	horizon, act int
	gain, shift  [layout.Vector]float32 // from a normalised observation to a normalised action, of the tool's position
}

// NewRelative is for chunks of horizon actions of policies with these normalizers, of which the first three values are
// the tool's position in one frame. Scales are 1 until they are fitted.
func NewRelative(horizon int, obs, act *Normalizer) *Relative {
	r := &Relative{Scale: make([]float32, horizon*layout.Vector), horizon: horizon, act: act.Dim()}
	for i := range r.Scale {
		r.Scale[i] = 1
	}
	for i := range r.gain {
		extent := act.Max[i] - act.Min[i]
		r.gain[i] = (obs.Max[i] - obs.Min[i]) / extent
		r.shift[i] = (obs.Max[i] + obs.Min[i] - act.Max[i] - act.Min[i]) / extent
	}
	return r
}

// here is the tool's position of a normalised observation as a normalised action.
func (r *Relative) here(obs []float32) (at [layout.Vector]float32) {
	for i := range at {
		at[i] = r.gain[i]*obs[i] + r.shift[i]
	}
	return at
}

// To writes a chunk [H*U] of absolute positions as what a network says.
func (r *Relative) To(chunk, obs []float32) {
	at := r.here(obs)
	for h := range r.horizon {
		for i, p := range at {
			x := &chunk[h*r.act+i]
			*x = (*x - p) / r.Scale[h*layout.Vector+i]
		}
	}
}

// From is the inverse of To.
func (r *Relative) From(chunk, obs []float32) {
	at := r.here(obs)
	for h := range r.horizon {
		for i, p := range at {
			x := &chunk[h*r.act+i]
			*x = p + r.Scale[h*layout.Vector+i]**x
		}
	}
}

// load reads the scales.
func (r *Relative) load(f *tensorfile.File, prefix string) error {
	v, err := f.Get(prefix+relativeKey, r.horizon, layout.Vector)
	if err != nil {
		return err
	}
	for _, s := range v {
		if !(s > 0) || !finite(s) {
			return fmt.Errorf("a relative policy's scale is %v, want a positive number", s)
		}
	}
	copy(r.Scale, v)
	return nil
}
