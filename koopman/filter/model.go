package filter

import (
	"math"
	"slices"

	"korr/internal/geom"
)

// Arm is what the arm measures of itself at a control step.
type Arm struct {
	Hand  geom.Pose // of the point between the fingertips
	Width float64   // of the gripper's opening, m
}

// Command is what was executed from one control step to the next.
type Command struct {
	Target geom.Pose // of the hand
	Grip   float64   // above 0 closes, below 0 opens, 0 keeps what it did
}

// Step is one control step with everything that is known about it afterwards.
type Step struct {
	From, To Arm
	Target   geom.Pose // of the hand, commanded in between
	Shut     bool      // the gripper is commanded to close, or was last
	Steps    float64   // control steps that it took: 1 unless the clock ran otherwise
}

// Model predicts the parts. Implementations keep scratch of their own and are for one goroutine.
type Model interface {
	// Modes is how many modes there are.
	Modes() int
	// PredictTo writes where the parts at now [n] are after the step into next [n], and the mode of each into mode [n].
	PredictTo(next []geom.Pose, mode []Mode, now []geom.Pose, s *Step)
}

// Mode says what holds a part or touches it during a step.
type Mode int

// The modes of the kinematic rule.
const (
	Rest        Mode = iota // nothing is near
	Near                    // the open hand or a part that the hand holds is near
	Closing                 // the fingers move while the part is between them
	Held                    // rigid in the closed hand
	HeldJoint               // held, its tip at the mouth of its hole or the hole at the tip
	HeldEngaged             // held, with the tip in the hole
	Engaged                 // not held, with the tip in the hole
	modes
)

// Thresholds of the modes.
const (
	gripMargin  = 0.008  // m around a part's box within which the fingertips hold it
	nearMargin  = 0.030  // m around it within which an open hand may touch it
	stillWidth  = 0.0005 // m per step: fingers slower than that have met something, or have stopped
	leastWidth  = 0.003  // m between fingers that hold something
	jointRadius = 0.010  // m between a tip and the axis of its hole
	jointHeight = 0.015  // m of the tip above the mouth
	inHole      = -0.003 // m of the tip above the mouth
)

// Part is the shape of a part: a box in the part's own frame, m.
type Part struct {
	Lo, Hi geom.Vec3
}

// Hole is the frame of a hole in the receiving part's frame: the centre of its mouth, y out of the hole.
type Hole = geom.Pose

// Joint says how the tip of one part enters a hole of another.
type Joint struct {
	Male, Receiver int
	Tip            geom.Vec3 // in the male part's frame, m
	Holes          []Hole
}

// Scene is what the kinematic rule knows of a task.
type Scene struct {
	Parts  []Part
	Joints []Joint
}

// Jointed are the parts that have a joint, ascending: those that a task assembles.
func (s *Scene) Jointed() []int {
	var of []int
	for i := range s.Joints {
		of = append(of, s.Joints[i].Male, s.Joints[i].Receiver)
	}
	slices.Sort(of)
	return slices.Compact(of)
}

// Kinematic is the rule that a part is at rest, or rigid in the closed hand.
type Kinematic struct {
	scene Scene
	fits  []fitted // of each joint, before the step that was predicted last
}

// NewKinematic returns the rule for a scene.
func NewKinematic(s Scene) *Kinematic {
	return &Kinematic{scene: s, fits: make([]fitted, len(s.Joints))}
}

// Modes is how many modes the rule tells apart.
func (*Kinematic) Modes() int { return int(modes) }

// PredictTo moves the held part with the hand.
func (k *Kinematic) PredictTo(next []geom.Pose, mode []Mode, now []geom.Pose, s *Step) {
	held, closing := k.grip(now, s)
	for i, x := range now {
		next[i], mode[i] = x, Rest
		if i == held {
			next[i] = carry(x, s.From.Hand, s.To.Hand)
		}
	}
	k.modesTo(mode, now, s, held, closing)
}

// grip finds the part that the closed hand holds and the one that moving fingers are around; -1 for none.
func (k *Kinematic) grip(now []geom.Pose, s *Step) (held, closing int) {
	held, closing = -1, -1
	inside := k.between(now, s.From.Hand.P)
	switch moving := math.Abs(s.To.Width-s.From.Width) > stillWidth*s.Steps; {
	case inside < 0:
	case moving:
		closing = inside
	case s.Shut && s.To.Width > leastWidth:
		held = inside
	}
	return held, closing
}

// between is the part whose box the fingertips are in or next to, the one with the deepest point; -1 for none.
func (k *Kinematic) between(now []geom.Pose, tip geom.Vec3) int {
	best, least := -1, gripMargin
	for i := range k.scene.Parts {
		if d := k.scene.Parts[i].distance(now[i], tip); d < least {
			best, least = i, d
		}
	}
	return best
}

// distance is how far (m) a point is outside the part's box along the worst axis; negative inside.
func (p *Part) distance(at geom.Pose, point geom.Vec3) float64 {
	d := at.Q.Inv().Rotate(point.Sub(at.P))
	worst := math.Inf(-1)
	for i, v := range d {
		worst = max(worst, p.Lo[i]-v, v-p.Hi[i])
	}
	return worst
}

// modesTo names the mode of each part.
func (k *Kinematic) modesTo(mode []Mode, now []geom.Pose, s *Step, held, closing int) {
	for i := range k.scene.Parts {
		switch {
		case i == held:
			mode[i] = Held
		case i == closing:
			mode[i] = Closing
		case held < 0 && k.scene.Parts[i].distance(now[i], s.To.Hand.P) < nearMargin:
			mode[i] = Near
		}
	}
	for i := range k.scene.Joints {
		j := &k.scene.Joints[i]
		at := &k.fits[i]
		*at = j.fit(now)
		if at.lateral() > jointRadius || at.tip[1] > jointHeight {
			continue
		}
		k.joined(mode, j, at.tip[1] < inHole, held)
	}
}

// joined names the modes of two parts that are at their joint.
func (k *Kinematic) joined(mode []Mode, j *Joint, engaged bool, held int) {
	for _, p := range [2]int{j.Male, j.Receiver} {
		switch {
		case p == held && engaged:
			mode[p] = HeldEngaged
		case p == held:
			mode[p] = HeldJoint
		case mode[p] != Rest:
		case engaged && p == j.Male:
			mode[p] = Engaged
		default:
			mode[p] = Near
		}
	}
}

// fitted is where a tip is against the nearest hole.
type fitted struct {
	tip  geom.Vec3 // in the frame of the hole, m: y above the mouth
	turn geom.Quat // of the male part in the frame of the hole
}

func (f *fitted) lateral() float64 { return math.Hypot(f.tip[0], f.tip[2]) }

// fit finds the nearest hole.
func (j *Joint) fit(now []geom.Pose) (f fitted) {
	inv := now[j.Receiver].Inv()
	tip, q := inv.Apply(now[j.Male].Apply(j.Tip)), inv.Q.Mul(now[j.Male].Q)
	best := math.Inf(1)
	for i := range j.Holes {
		h := &j.Holes[i]
		back := h.Q.Inv()
		d := back.Rotate(tip.Sub(h.P))
		if r := math.Hypot(d[0], d[2]); r < best {
			best, f = r, fitted{d, back.Mul(q)}
		}
	}
	return f
}
