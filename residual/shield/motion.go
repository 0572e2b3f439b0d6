package shield

import (
	"fmt"

	"korr/internal/geom"
	"korr/residual/plausible"
)

// Shield limits one command after another. It is for one goroutine and allocates nothing.
type Shield struct {
	Limits Limits

	tick tick
	last sent // the last command
	past sent // the one before it
}

// sent is a command that went out.
type sent struct {
	command [CommandDim]float32
	motion  motion // that led to it
	moving  bool   // there is one
}

// motion is from one command to the next: m, and a rotation vector in rad, base frame.
type motion struct{ shift, turn geom.Vec3 }

// New returns a shield for commands that follow each other after a period, s; 0 is DefaultPeriod. Later is slower, and
// never faster.
func New(l Limits, period float64) Shield {
	if period <= 0 {
		period = DefaultPeriod
	}
	return Shield{Limits: l, tick: l.per(period)}
}

// Begin forgets the commands sent so far: the arm stands where it is measured to be, and the next one starts from
// there.
func (s *Shield) Begin() { s.last, s.past = sent{}, sent{} }

// Previous is the last command sent since Begin, nil if there is none.
func (s *Shield) Previous() []float32 {
	if !s.last.moving {
		return nil
	}
	return s.last.command[:]
}

// ApplyTo writes the nearest allowed command to dst; see [Limits.ApplyTo]. The first one is limited as if the measured
// pose had been commanded before.
func (s *Shield) ApplyTo(dst, cmd, measured []float32) (Clamp, error) {
	from := s.Previous()
	if from == nil {
		from = measured[:MeasuredDim]
	}
	return s.Limits.apply(dst, cmd, measured, from, &s.tick, &s.last.motion)
}

// Sent notes that a command went out, which answers a measured pose. A motion counts as one that the limits allow:
// where the measured pose won over them, the next command need not go on like that.
func (s *Shield) Sent(cmd, measured []float32) {
	from := s.Previous()
	if from == nil {
		from = measured
	}
	p, _ := rotation(from[3:MeasuredDim])
	q, _ := rotation(cmd[3:MeasuredDim])
	m := motion{
		shift: shorten(geom.VecAt(cmd).Sub(geom.VecAt(from)), s.tick.delta),
		turn:  shorten(q.Mul(p.Inv()).RotVec(), s.tick.turn),
	}
	s.past, s.last = s.last, sent{[CommandDim]float32(cmd), m, true}
}

// Unsent takes the last Sent back: the command did not go out after all. It is for once after each Sent.
func (s *Shield) Unsent() { s.last = s.past }

// shorten returns v, or a vector of its direction that is no longer than most.
func shorten(v geom.Vec3, most float64) geom.Vec3 {
	if n := v.Norm(); n > most {
		return v.Scale(most / n)
	}
	return v
}

// CheckHold says whether an arm may be told to stay at a pose, which was measured. Nothing moves toward a pose that is
// too far from the last command to be true: within MaxStep and MaxTurn of the command is where an arm follows it, and
// one tick's motion is added. The pose is not changed: an arm that is outside the workspace stays there.
func (s *Shield) CheckHold(at geom.Pose) error {
	if !plausible.Finite(at.P[:]) || !plausible.Finite(at.Q[:]) || beyond(at.P) {
		return fmt.Errorf("%w: position %.3g m, rotation %.3g", ErrMeasured, at.P, at.Q)
	}
	told := s.Previous()
	if told == nil {
		return nil
	}
	q, _ := rotation(told[3:])
	d, a := at.P.Sub(geom.VecAt(told)).Norm(), q.Angle(at.Q.Normalize())
	if d > s.Limits.MaxStep+s.tick.delta || a > s.Limits.MaxTurn+s.tick.turn {
		return fmt.Errorf("%w: it is %.3f m and %.3f rad from the last command", ErrMeasured, d, a)
	}
	return nil
}
