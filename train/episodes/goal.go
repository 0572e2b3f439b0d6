package episodes

import (
	"errors"
	"fmt"

	"korr/residual"
	"korr/train/dataset"
)

// Goal returns the goal that a goal-conditioned actor reads: the encoded observation [enc.Dim] of the last frame of the
// first demonstration that succeeded. Recordings lack the observation after the last action, so that the parts are
// about to be assembled in it.
func Goal(enc *residual.Encoder, demos []dataset.Episode) ([]float32, error) {
	for i := range demos {
		e := &demos[i]
		if !e.Success {
			continue
		}
		if got, want := len(e.State)+len(e.Env), e.Len()*enc.RawDim(); got != want {
			return nil, fmt.Errorf("demonstration %d of %d frames has %d observed values, want %d: was it recorded for "+
				"another task?", i, e.Len(), got, want)
		}
		obs, goal := make([]float32, enc.RawDim()), make([]float32, enc.Dim())
		e.ObsTo(obs, e.Len()-1)
		enc.EncodeTo(goal, obs)
		return goal, nil
	}
	return nil, errors.New("the goal is taken from a demonstration that succeeded, and there is none: name " +
		"demonstrations with --data")
}
