package expert

import (
	"math"

	"korr/internal/geom"
)

// Moves for the parts of the lamp and the round table (m).
var (
	bulbs = moves{
		thick: 0.022, topThick: 0.060, graspHead: -0.010, graspZ: 0.026, topGrasp: 0.0305, topClear: 0.055,
		hover: 0.25, retreat: 0.09, travel: 0.09, leastYaw: -2.2, round: true, full: true,
	}
	roundLegs = moves{
		thick: 0.0425, graspHead: 0, graspZ: 0.022, topGrasp: 0.032, topClear: 0.035, hover: 0.2,
		travel: 0.09, carry: true, halfWidth: 0.02125, slide: 0.007, round: true, full: true,
	}
	bases = moves{topGrasp: 0.010, topClear: 0.035}
	hoods = moves{thick: 0.052, topGrasp: 0.050, topClear: 0.040}
)

// handClear is the distance between two parts from which on the hand fits beside the other one either way (m).
const handClear = 0.17

// Where the hood goes when it stands in the way of the bulb (m, base frame), and the room that the hand needs beside
// the bulb: half its thickness and width with half the hood's width and some slack.
var (
	aside    = geom.Vec3{0.40, -0.20, 0}
	handRoom = geom.Vec3{0.083, 0.150, 0}
)

// buildLamp screws the bulb in and puts the hood over it.
func buildLamp(a *arm) {
	pairs := a.e.task.Pairs
	bulb := &screw{arm: a, pair: &pairs[0], moves: &bulbs}
	hood := &screw{arm: a, pair: &pairs[1], moves: &hoods}
	for !bulb.seated() {
		if !bulb.again && !bulb.fits() && !bulb.holds() && hood.inTheWay(bulb.leg()) {
			hood.putAside(aside)
		}
		bulb.goOn()
	}
	for !a.e.task.Assembled(hood.pair, hood.top(), hood.leg()) && bulb.fits() {
		hood.goOnPlacing(0.115)
	}
}

// inTheWay reports whether the hand that grasps the lying part would run into this one.
func (s *screw) inTheWay(lying geom.Pose) bool {
	along := lying.Q.Rotate(geom.Vec3{0, 1, 0})
	along[2] = 0
	along = along.Unit()
	d := s.leg().P.Sub(lying.P.Add(along.Scale(bulbs.graspHead)))
	return math.Abs(d.Dot(along)) < handRoom[0] && math.Abs(d[0]*along[1]-d[1]*along[0]) < handRoom[1]
}

// putAside stands the part somewhere else on the table.
func (s *screw) putAside(at geom.Vec3) {
	yaw := s.grasp()
	z := s.pose.P[2]
	s.rise(0.045, 6) // over the obstacle
	s.swing(geom.Vec3{at[0], at[1], z + 0.045}, yaw, 14)
	s.rise(-0.0447, 7)
	s.hold(1)
	s.grip = -1
	s.hold(3)
	s.rise(s.topClear, 4)
}

// buildRoundTable screws the leg into the top and the base onto the leg.
func buildRoundTable(a *arm) {
	pairs := a.e.task.Pairs
	leg := &screw{arm: a, pair: &pairs[0], moves: &roundLegs}
	for !leg.seated() {
		leg.goOn()
	}
	base := &screw{arm: a, pair: &pairs[1], moves: &bases}
	for !base.seated() && leg.fits() {
		base.goOnPlacing(0.03)
	}
}

// goOnPlacing does what a pair needs next whose second part stands and is placed on the first, as goOn does it for one
// that lies. above is how far over its place the part travels (m).
func (s *screw) goOnPlacing(above float64) {
	held := s.holds()
	switch {
	case s.pair.Thread != nil && s.fits() && (!held || s.engaged()):
		s.fasten(held)
	case held:
		s.pose = s.tool()
		s.readYaw()
		if s.tighten() {
			s.carryOver(above, s.yaw)
		}
	default:
		s.straighten()
		s.place(above)
	}
}

// place lifts a part that stands upright, carries it above the other and lowers it until its thread takes hold or, if
// it has none, until it rests there. above is how far over its place the part travels. It reports false when the part
// was lost or did not fit; the caller tries again.
func (s *screw) place(above float64) bool { return s.carryOver(above, s.grasp()) }

// carryOver is place with a part that is in the hand; yaw is the tool's.
func (s *screw) carryOver(above, yaw float64) bool {
	if tip, _ := s.peg(); math.Hypot(tip[0], tip[1]) > farAside || tip[2] < 0 {
		s.rise(above-tip[2], 14)
		if tip, _ = s.peg(); tip[2] < above-0.03 {
			return s.giveUp()
		}
		to := s.pose.P.Sub(geom.Vec3{tip[0], tip[1], 0})
		s.swing(to, yaw, 16)
		s.align(6, above)
	}
	if s.pair.Thread == nil {
		return s.lower()
	}
	s.align(5, clearAbove)
	s.align(3, clearAbove)
	for range insertSteps {
		if s.engaged() {
			s.grip = -1
			s.hold(3)
			s.rise(s.topClear, 4)
			return true
		}
		s.insertStep()
	}
	return s.giveUp()
}

// grasp takes a part that stands upright from above, on the flats of its square head, and returns the tool's yaw.
func (s *screw) grasp() float64 {
	s.grip = -1
	s.pose = s.tool()
	s.readYaw()
	s.rise(max(0.01, 0.22-s.pose.P[2]), 6)
	part := s.leg()
	x := part.Q.Rotate(geom.Vec3{1, 0, 0})
	yaw := near(math.Atan2(x[1], x[0]), firstYaw, math.Pi/2)
	if d := s.top().P.Sub(part.P); math.Hypot(d[0], d[1]) < handClear &&
		math.Abs(d[0]*math.Sin(yaw)-d[1]*math.Cos(yaw)) > math.Abs(d[0]*math.Cos(yaw)+d[1]*math.Sin(yaw)) {
		yaw -= math.Pi / 2 // the wide side of the hand would point at the other part
	}
	s.swing(geom.Vec3{part.P[0], part.P[1], part.P[2] + s.topGrasp + s.topClear}, yaw, 16)
	part = s.leg()
	s.swing(geom.Vec3{part.P[0], part.P[1], part.P[2] + s.topGrasp}, yaw, 6)
	s.hold(1)
	s.grip = 1
	s.hold(closeSteps)
	return yaw
}

// lower brings a part without a thread to its place and lets go.
func (s *screw) lower() bool {
	s.align(9, 0.02)
	s.align(5, 0.006)
	for range 8 {
		s.insertStep()
	}
	s.grip = -1
	s.hold(3)
	s.rise(s.topClear, 5)
	return s.e.task.Assembled(s.pair, s.top(), s.leg())
}
