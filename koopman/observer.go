package koopman

import "fmt"

// Observer estimates the disturbance of a Model's dynamics: it extends the
// state by a constant d [L],
//
//	z' = A z + B u + d,   d' = d,
//
// and, as z is measured exactly (it is the lift of the observation), corrects d
// alone by the innovation: d <- d + gain (z - (A z^- + B u^- + d)). This is the
// extended-state observer of active disturbance rejection (Han 2009, IEEE
// Trans. Ind. Electron. 56) with the poles of z at 0 and those of d at 1 - gain.
type Observer struct {
	gain float32
	d    []float32
}

// NewObserver returns an observer of latents of the width, with 0 < gain <= 1;
// 1 takes the last innovation as the disturbance. The error wraps ErrConfig.
func NewObserver(width int, gain float64) (*Observer, error) {
	if width < 1 || !(gain > 0 && gain <= 1) {
		return nil, fmt.Errorf("%w: disturbance observer of width %d and gain %g, want a gain in (0, 1]", ErrConfig,
			width, gain)
	}
	return &Observer{gain: float32(gain), d: make([]float32, width)}, nil
}

// Reset forgets the disturbance.
func (o *Observer) Reset() { clear(o.d) }

// Update takes in the measured latent z [L] and what A z^- + B u^- predicted for
// it.
func (o *Observer) Update(z, predicted []float32) {
	for i, d := range o.d {
		o.d[i] = d + o.gain*(z[i]-predicted[i]-d)
	}
}

// Disturbance is d [L]; the observer owns it.
func (o *Observer) Disturbance() []float32 { return o.d }
