package filter

import (
	"fmt"
	"math"

	"korr/internal/geom"
	"korr/internal/nn"
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
//	26..31  products a_i a_j of the axis in which the fingers close, xx yy zz xy xz yz: how they lie on its faces
//	32..34  5 x the vertical, axes of the part: how it lies
//	35      its height / 5 cm
//
// All vectors are in the part's own frame, clipped to +-3. What contact keeps in place is seen in them: an estimate
// that is beside the hole it is in, or tilted between the fingers, has coordinates that the part itself cannot have.
const Lifted = 36

// formerLifted is the width in files up to commit 29a30ad, which lacked the coordinates from there on.
const formerLifted = 26

// Units of the lifted coordinates.
const (
	unitLead  = 0.01
	unitTurn  = 0.1
	unitWidth = 0.005
	unitGrasp = 0.03
	unitTip   = 0.01
	unitTilt  = 0.2
	unitRise  = 0.05
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
// state-inclusive part of a Koopman lift, and the command; the modes are its gates. NewNonlinear has networks in the
// matrices' place.
type Learned struct {
	rule  *Kinematic
	add   [][]adds // [part][mode], nil for the rule alone
	psi   [Lifted]float64
	hand  motion
	joint []int // of each part, -1 for none
}

// adds is what a model adds to the rule in one control step for the lifted coordinates: position (m) and rotation
// vector (rad) in the part's own frame. nil adds nothing.
type adds func(psi *[Lifted]float64) [dim]float64

// linear is w psi; nil for no w.
func linear(w []float64) adds {
	if w == nil {
		return nil
	}
	return func(psi *[Lifted]float64) [dim]float64 { return times(w, psi) }
}

// forward is what a network says, for one goroutine; nil for none.
func forward(net *nn.MLP) adds {
	if net == nil {
		return nil
	}
	n := &netIncrement{net: net.Evaluator()}
	return n.of
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
	return newLearned(s, w, linear), nil
}

// newLearned returns the model of what was fitted [part][mode] and its increments.
func newLearned[T any](s Scene, fitted [][]T, increment func(T) adds) *Learned {
	l := &Learned{rule: NewKinematic(s), joint: s.joints(), add: make([][]adds, len(fitted))}
	for i := range fitted {
		l.add[i] = make([]adds, modes)
		for m, f := range fitted[i] {
			l.add[i][m] = increment(f)
		}
	}
	return l
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
		add := l.add[i][mode[i]]
		if add == nil {
			continue
		}
		if !hand {
			l.hand.of(s)
			hand = true
		}
		l.rule.liftTo(&l.psi, i, l.joint[i], now, &l.hand)
		e := add(&l.psi)
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

// netIncrement is a network with scratch of its own.
type netIncrement struct {
	net *nn.Evaluator
	in  [Lifted]float32
	out [dim]float32
}

// of is what the network says to the coordinates.
func (n *netIncrement) of(psi *[Lifted]float64) (e [dim]float64) {
	for k, v := range psi {
		n.in[k] = float32(v)
	}
	n.net.ForwardTo(n.out[:], n.in[:])
	for k, v := range n.out {
		e[k] = float64(v) * netUnit(k)
	}
	return e
}

// netUnit is the unit of output k of a network: 1 mm, or 0.01 rad.
func netUnit(k int) float64 {
	if k >= 3 {
		return 1e-2
	}
	return 1e-3
}

// NewNonlinear returns the model with networks [part][mode] in the matrices' place, each from Lifted to dim values in
// mm and 0.01 rad, nil for the rule alone: what the linearity of Learned is compared with.
func NewNonlinear(s Scene, nets [][]*nn.MLP) (*Learned, error) {
	if len(nets) != len(s.Parts) {
		return nil, fmt.Errorf("%w: networks of %d parts, the scene has %d", ErrConfig, len(nets), len(s.Parts))
	}
	for i := range nets {
		if len(nets[i]) != int(modes) {
			return nil, fmt.Errorf("%w: part %d has networks for %d modes, want %d", ErrConfig, i, len(nets[i]), modes)
		}
		for m, net := range nets[i] {
			if net != nil && (net.In() != Lifted || net.Out() != dim) {
				return nil, fmt.Errorf("%w: the network of part %d in mode %d maps %d to %d values, want %d to %d", ErrConfig, i, m,
					net.In(), net.Out(), Lifted, dim)
			}
		}
	}
	return newLearned(s, nets, forward), nil
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
	clear(psi[20:26])
	psi[26], psi[27], psi[28] = axis[0]*axis[0], axis[1]*axis[1], axis[2]*axis[2]
	psi[29], psi[30], psi[31] = axis[0]*axis[1], axis[0]*axis[2], axis[1]*axis[2]
	put(psi[32:35], back.Rotate(geom.Vec3{0, 0, 1}), unitTilt)
	psi[35] = min(max(now[i].P[2]/unitRise, -liftClip), liftClip)
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
