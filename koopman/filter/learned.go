package filter

import (
	"fmt"
	"math"

	"korr/internal/geom"
)

// Lifted is the width of the lifted coordinates psi of a part:
//
//	0       1
//	1..6    how far the command leads the hand: position / 1 cm and rotation vector / 0.1 rad, the push of a soft arm
//	7..12   the hand's motion over the step, alike
//	13      the change of the gripper's width / 5 mm
//	14..16  the point between the fingertips / 3 cm, in the part's frame: the grasp
//	17..19  the same along the axis in which the fingers close / 1 cm: closing fingers centre a part
//	20..22  the tip against the nearest hole / 1 cm, axes of the part; zero away from a joint
//	23..25  5 x the tilt against the hole, axes of the part; zero away from a joint
//
// All vectors are in the part's own frame, clipped to +-3.
const Lifted = 26

// Units of the lifted coordinates.
const (
	unitLead  = 0.01
	unitTurn  = 0.1
	unitWidth = 0.005
	unitGrasp = 0.03
	unitTip   = 0.01
	unitTilt  = 0.2
	liftClip  = 3
	nearJoint = 0.05 // m from where on a joint is seen
)

// Bounds of what a step can add to the kinematic rule: beyond them a fitted matrix extrapolates.
const (
	mostShift = 0.004 // m
	mostTurn  = 0.08  // rad
)

// Learned is the kinematic rule with an increment in the part's own frame for each mode m:
//
//	X' = rule(X) exp(w),   w = W_m psi(X, arm, u)
//
// W_m is fitted by least squares (Fit). psi holds the pose's coordinates against the hand and the hole, the
// state-inclusive part of a Koopman lift, and the command; the modes are its gates.
type Learned struct {
	rule  *Kinematic
	w     [][][]float64 // [part][mode] dim x Lifted, nil for none
	psi   [Lifted]float64
	hand  motion
	joint []int // of each part, -1 for none
}

// NewLearned returns the model of the matrices w [part][mode], each [dim, Lifted] or nil for the rule alone.
func NewLearned(s Scene, w [][][]float64) (*Learned, error) {
	if len(w) != len(s.Parts) {
		return nil, fmt.Errorf("%w: matrices of %d parts, the scene has %d", ErrConfig, len(w), len(s.Parts))
	}
	for i := range w {
		if len(w[i]) != int(modes) {
			return nil, fmt.Errorf("%w: part %d has matrices for %d modes, want %d", ErrConfig, i, len(w[i]), modes)
		}
		for m, a := range w[i] {
			if a != nil && len(a) != dim*Lifted {
				return nil, fmt.Errorf("%w: the matrix of part %d in mode %d has %d numbers, want %d",
					ErrConfig, i, m, len(a), dim*Lifted)
			}
			for _, v := range a {
				if v-v != 0 {
					return nil, fmt.Errorf("%w: the matrix of part %d in mode %d is not finite", ErrConfig, i, m)
				}
			}
		}
	}
	return &Learned{rule: NewKinematic(s), w: w, joint: s.joints()}, nil
}

// joints is the index of the first joint of each part, -1 for none.
func (s *Scene) joints() []int {
	at := make([]int, len(s.Parts))
	for i := range at {
		at[i] = -1
	}
	for k := len(s.Joints) - 1; k >= 0; k-- {
		at[s.Joints[k].Male], at[s.Joints[k].Receiver] = k, k
	}
	return at
}

// Modes is that of the kinematic rule.
func (l *Learned) Modes() int { return l.rule.Modes() }

// PredictTo adds the increments to the kinematic rule.
func (l *Learned) PredictTo(next []geom.Pose, mode []Mode, now []geom.Pose, s *Step) {
	l.rule.PredictTo(next, mode, now, s)
	hand := false
	for i := range now {
		w := l.w[i][mode[i]]
		if w == nil {
			continue
		}
		if !hand {
			l.hand.of(s)
			hand = true
		}
		l.rule.liftTo(&l.psi, i, l.joint[i], now, &l.hand)
		e := times(w, &l.psi)
		for k := range e {
			limit := mostShift
			if k >= 3 {
				limit = mostTurn
			}
			e[k] = s.Steps * min(max(e[k], -limit), limit)
		}
		next[i] = moved(next[i], &e)
	}
}

// times is w psi. The six sums grow side by side: each addition would wait for the one before it.
func times(w []float64, psi *[Lifted]float64) [dim]float64 {
	row := func(k int) *[Lifted]float64 { return (*[Lifted]float64)(w[k*Lifted:]) }
	x, y, z, rx, ry, rz := row(0), row(1), row(2), row(3), row(4), row(5)
	var e0, e1, e2, e3, e4, e5 float64
	for j, v := range psi {
		e0 += x[j] * v
		e1 += y[j] * v
		e2 += z[j] * v
		e3 += rx[j] * v
		e4 += ry[j] * v
		e5 += rz[j] * v
	}
	return [dim]float64{e0, e1, e2, e3, e4, e5}
}

// motion is what the lifted coordinates of all parts have of a step in common, in the frame of the poses.
type motion struct {
	lead, leadTurn, move, moveTurn, fingers, at geom.Vec3
	width                                       float64
}

func (h *motion) of(s *Step) {
	from, to := &s.From.Hand, &s.To.Hand
	*h = motion{
		lead: s.Target.P.Sub(to.P), leadTurn: s.Target.Q.Mul(to.Q.Inv()).RotVec(),
		move: to.P.Sub(from.P), moveTurn: to.Q.Mul(from.Q.Inv()).RotVec(),
		fingers: to.Q.Rotate(geom.Vec3{0, 1, 0}), at: to.P, width: s.To.Width - s.From.Width,
	}
}

// put writes a vector in its unit, clipped.
func put(psi []float64, v geom.Vec3, unit float64) {
	for j, x := range v {
		psi[j] = min(max(x/unit, -liftClip), liftClip)
	}
}

// liftTo writes the lifted coordinates of part i, whose joint is the given one of the scene, -1 for none: after
// PredictTo of the same step, which fits the joints.
func (k *Kinematic) liftTo(psi *[Lifted]float64, i, joint int, now []geom.Pose, h *motion) {
	back := now[i].Q.Inv()
	psi[0] = 1
	put(psi[1:4], back.Rotate(h.lead), unitLead)
	put(psi[4:7], back.Rotate(h.leadTurn), unitTurn)
	put(psi[7:10], back.Rotate(h.move), unitLead)
	put(psi[10:13], back.Rotate(h.moveTurn), unitTurn)
	psi[13] = min(max(h.width/unitWidth, -liftClip), liftClip)
	tcp, axis := back.Rotate(h.at.Sub(now[i].P)), back.Rotate(h.fingers)
	put(psi[14:17], tcp, unitGrasp)
	put(psi[17:20], axis.Scale(axis.Dot(tcp)), unitLead)
	clear(psi[20:])
	if joint < 0 {
		return
	}
	j, f := &k.scene.Joints[joint], &k.fits[joint]
	if f.lateral() > nearJoint || math.Abs(f.tip[1]) > nearJoint {
		return
	}
	// From the hole's frame to the part's.
	turn := f.turn.Inv()
	if i == j.Receiver {
		turn = back.Mul(now[j.Male].Q).Mul(turn)
	}
	y := f.turn.Rotate(geom.Vec3{0, 1, 0})
	put(psi[20:23], turn.Rotate(f.tip), unitTip)
	put(psi[23:26], turn.Rotate(geom.Vec3{0, 1, 0}.Cross(y)), unitTilt)
}
