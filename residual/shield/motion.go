package shield

import (
	"fmt"

	"korr/internal/geom"
	"korr/residual/plausible"
)

// Shield limits one command after another. It is for one goroutine and allocates nothing.
type Shield struct {
	Limits Limits

	sent   [CommandDim]float32 // the last command
	moving bool                // sent counts
}

// Begin forgets the commands sent so far: the next one is limited against the measured pose alone.
func (s *Shield) Begin() { s.moving = false }

// Previous is the last command sent since Begin, nil if there is none.
func (s *Shield) Previous() []float32 {
	if !s.moving {
		return nil
	}
	return s.sent[:]
}

// ApplyTo writes the nearest allowed command to dst; see [Limits.ApplyTo].
func (s *Shield) ApplyTo(dst, cmd, measured []float32) (Clamp, error) {
	return s.Limits.ApplyTo(dst, cmd, measured, s.Previous())
}

// Sent notes that a command went out.
func (s *Shield) Sent(cmd []float32) {
	copy(s.sent[:], cmd)
	s.moving = true
}

// CheckHold says whether an arm may be told to stay at a pose, which was measured. Nothing moves toward a pose that is
// too far from the last command to be true: within MaxStep and MaxTurn of the command is where an arm follows it, and
// one tick's motion is added. The pose is not changed: an arm that is outside the workspace stays there.
func (s *Shield) CheckHold(at geom.Pose) error {
	if !plausible.Finite(at.P[:]) || !plausible.Finite(at.Q[:]) || beyond(at.P) {
		return fmt.Errorf("%w: position %.3g m, rotation %.3g", ErrMeasured, at.P, at.Q)
	}
	if !s.moving {
		return nil
	}
	q, _ := rotation(s.sent[3:])
	d, a := at.P.Sub(geom.VecAt(s.sent[:])).Norm(), q.Angle(at.Q.Normalize())
	if d > s.Limits.MaxStep+s.Limits.MaxDelta || a > s.Limits.MaxTurn+s.Limits.MaxDeltaTurn {
		return fmt.Errorf("%w: it is %.3f m and %.3f rad from the last command", ErrMeasured, d, a)
	}
	return nil
}
