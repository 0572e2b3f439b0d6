package expert

import (
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
)

// What a script takes for what when it looks (m, rad).
const (
	fingersOpen  = 0.006 // short of the open hand: the fingers are away from it
	fingersShut  = 0.005 // nothing is between fingers that are nearer
	onPart       = 0.003 // around the part's thickness
	inHand       = 0.010 // the tool's point is no further outside the part's box than this
	inHole       = 0.002 // depth of the tip from where a part stands in its hole by itself
	pointingDown = 0.9   // between the tool and the vertical
	straightDown = 0.3   // and from where a swing, which commands that, may begin
	upright      = 0.4   // between the part's axis and the joint's: it stands
	nearMouth    = 0.006 // beside the hole: the part is being brought to it
	farTilt      = 0.3   // from where on a part is not aligned at once, but brought over its hole first
	farAside     = 0.03
	farAbove     = 0.07
	onTheWay     = 0.006 // beside the place above the grasp, from where the hand goes straight down
	mostYaw      = 3.7   // of a tool that points down, the limit of joint 7
	stuckTurns   = 2     // in a row that bring nothing to a part whose thread has not engaged, then it is taken out again
)

// goOn does what the pair needs next, wherever its parts and the hand are now, and returns to be asked again. A part
// that stands in its hole is turned; one in the hand is brought in from the present grasp; any other is fetched.
func (s *screw) goOn() {
	f := s.pair.Fit(s.top(), s.leg())
	held := s.holds()
	switch {
	case s.fits() && (!held || f.Offset[1] < -engagedAt):
		s.hole = f.Hole
		s.fasten(held)
	case held:
		s.bring()
	case f.Tilt() < upright:
		s.lift()
	default:
		s.insertLeg()
	}
	s.again = true
}

// fits reports whether the part stands in a hole, however deep.
func (s *screw) fits() bool {
	f := s.pair.Fit(s.top(), s.leg())
	return f.Offset[1] < -inHole && f.Lateral() < 0.003 && f.Tilt() < 0.3
}

// holds reports whether the fingers are on the part: neither open nor shut, with the tool's point at it.
func (s *screw) holds() bool {
	if w := float64(s.e.obs[layout.Width]); w > s.e.task.GripperWidth-fingersOpen || w < fingersShut {
		return false
	}
	at := s.leg().Inv().Apply(s.tool().P)
	for k, size := range s.e.task.Parts[s.pair.Second].Size {
		if math.Abs(at[k]) > size/2+inHand {
			return false
		}
	}
	return true
}

// lean is the angle between the tool and straight down, rad.
func (a *arm) lean() float64 {
	return math.Acos(min(1, max(-1, -a.tool().Q.Rotate(geom.Vec3{0, 0, 1})[2])))
}

// down reports whether the tool points down.
func (a *arm) down() bool { return a.lean() < pointingDown }

// straighten turns a tool that does not point down, with open fingers and away from what it may have held.
func (a *arm) straighten() {
	if a.down() {
		return
	}
	a.pose = a.tool()
	a.grip = -1
	a.hold(2)
	a.rise(0.10, 7)
	a.yaw = firstYaw
	a.moveTo(geom.Pose{P: geom.Vec3{a.pose.P[0], a.pose.P[1], max(a.pose.P[2], 0.2)}, Q: downward(firstYaw)}, 11)
}

// tighten shuts fingers that are at the part already, waits only where they are not yet on it, and reports whether it
// is between them.
func (s *screw) tighten() bool {
	s.grip = 1
	for range closeSteps {
		w := float64(s.e.obs[layout.Width])
		if math.Abs(w-s.thick) < onPart || math.Abs(w-s.topThick) < onPart {
			return true
		}
		if w < fingersShut {
			return false
		}
		s.step()
	}
	return s.holds()
}

// fasten turns a part that stands in its hole once, or ends the turn that the hand is in.
func (s *screw) fasten(held bool) {
	before := s.left()
	switch {
	case !s.down():
		s.release()
		return
	case held:
		s.endTurn()
	default:
		if d := s.tool().P.Sub(s.leg().P); d[2] < s.topGrasp+s.topClear/2 && math.Hypot(d[0], d[1]) > onTheWay {
			s.rise(s.topGrasp+s.topClear-d[2], 5)
		}
		s.turnOnce()
	}
	most := stuckTurns
	if s.engaged() {
		most *= 3 // the last turns before the seat bring little
	}
	if s.left() < before-0.0005 {
		s.stuck = 0
	} else if s.stuck++; s.stuck >= most {
		s.stuck = 0
		s.lift()
	}
}

// endTurn goes on with a turn that was begun: to where the one that grasped the part in this way ends.
func (s *screw) endTurn() {
	s.pose = s.tool()
	s.readYaw()
	s.grip = 1
	end := firstYaw - turn
	if !s.round {
		x := s.leg().Q.Rotate(geom.Vec3{1, 0, 0})
		end = near(math.Atan2(x[1], x[0]), end, math.Pi/2)
	}
	s.screwDown(max(0, int(math.Round((s.yaw-end)/(turn/turnSteps)))))
}

// lift takes a part that stands by its head and lifts it.
func (s *screw) lift() {
	s.straighten()
	s.grasp()
	s.rise(0.06, 7)
}

// bring goes on with a part that is in the hand: upright, over the hole and in, from the present grasp.
func (s *screw) bring() {
	s.pose = s.tool()
	if s.down() {
		s.readYaw()
	}
	if !s.tighten() {
		s.grip = -1
		return
	}
	if f := s.pair.Fit(s.top(), s.leg()); f.Lateral() < nearMouth {
		s.hole = f.Hole
	} else {
		s.choose()
	}
	if tip, tilt := s.peg(); tilt > farTilt || math.Hypot(tip[0], tip[1]) > farAside || tip[2] > farAbove ||
		tip[2] < -clearAbove {
		s.over(tip)
	}
	fromSide := !s.down()
	if tip, tilt := s.peg(); tilt > 0.04 || tip[2] > 1.5*clearAbove || math.Hypot(tip[0], tip[1]) > 0.0015 {
		for i := range 3 {
			s.align([3]int{7, 4, 3}[i], clearAbove)
		}
	}
	for range insertSteps {
		if s.engaged() {
			if fromSide {
				s.release()
				return
			}
			s.grip = -1
			s.hold(3)
			s.rise(s.topClear, 4)
			return
		}
		if !s.holds() {
			return
		}
		s.insertStep()
	}
	s.giveUp()
}

// over carries the part in the hand to above the mouth, upright; tip is where its tip is against the mouth.
func (s *screw) over(tip geom.Vec3) {
	if up := 0.05 - tip[2]; up > 0 || s.pose.P[2] < 0.10 {
		s.rise(max(up, 0.12-s.pose.P[2]), 8)
	}
	if s.lean() < straightDown && s.tilted() && (s.pose.P[1] < 0 || math.Abs(s.yaw-math.Pi) > 0.5) {
		s.swing(geom.Vec3{s.pose.P[0] + 0.04, max(s.pose.P[1], 0), 0.20}, math.Pi, 12)
	}
	to := s.above(0.05)
	mid := geom.Pose{P: s.pose.P.Lerp(to.P, 0.5), Q: s.pose.Q.Slerp(to.Q, 0.5)}
	mid.P[2] = max(mid.P[2], 0.24)
	turned := s.pose.Q.Angle(to.Q)
	n := max(4, int(math.Ceil(math.Max(s.pose.P.Sub(to.P).Norm()/0.02, turned/0.09))))
	if turned > 0.5 {
		s.moveTo(mid, (n+1)/2)
		n = (n + 1) / 2
		to = s.above(0.05)
	}
	s.moveTo(to, max(n, 4))
}

// tilted reports whether the part in the hand is far from upright.
func (s *screw) tilted() bool {
	_, tilt := s.peg()
	return tilt > upright
}

// above is the tool's pose with the part in the hand upright and its tip so far above the mouth (m). A hand that holds
// the part from its side points the way that side says; one that holds it from above keeps its yaw within joint 7's
// range.
func (s *screw) above(height float64) geom.Pose {
	axis, up := s.axes()
	tool := s.tool()
	q := tool.Q
	if fix := axis.Cross(up); fix.Norm() > 1e-6 {
		q = geom.AxisAngle(fix.Unit(), math.Atan2(fix.Norm(), axis.Dot(up))).Mul(q)
	}
	z, want := q.Rotate(geom.Vec3{0, 0, 1}), s.side().Rotate(geom.Vec3{0, 0, 1})
	about := math.Atan2(want[1], want[0]) - math.Atan2(z[1], z[0])
	if z[2] < -0.7 {
		x := q.Rotate(geom.Vec3{1, 0, 0})
		yaw := math.Atan2(x[1], x[0])
		turned := near(yaw, math.Pi/4-math.Pi, 2*math.Pi)
		about = min(max(turned, firstYaw-turn), firstYaw+math.Pi/2) - yaw
	}
	q = geom.AxisAngle(geom.Vec3{0, 0, 1}, about).Mul(q)
	at := s.pair.Tip
	if s.pair.MaleFirst {
		at = s.pair.Mouth(s.hole)
	}
	tip := tool.Q.Inv().Rotate(s.leg().Apply(at).Sub(tool.P))
	m := s.mouth()
	m[2] += height
	return geom.Pose{P: m.Sub(q.Rotate(tip)), Q: q}
}
