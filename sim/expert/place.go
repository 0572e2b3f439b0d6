package expert

import (
	"math"

	"korr/internal/geom"
)

// Moves for the parts of the lamp and the round table (m).
var (
	bulbs     = moves{graspHead: -0.010, graspZ: 0.020, topGrasp: 0.0305, topClear: 0.055, hover: 0.25, retreat: 0.09, leastYaw: -2.2, round: true, full: true}
	roundLegs = moves{graspHead: 0, graspZ: 0.022, topGrasp: 0.032, topClear: 0.035, hover: 0.2, round: true, full: true}
	bases     = moves{topGrasp: 0.010, topClear: 0.035}
	hoods     = moves{topGrasp: 0.050, topClear: 0.040}
)

// buildLamp screws the bulb in and puts the hood over it.
func buildLamp(a *arm) {
	pairs := a.e.task.Pairs
	(&screw{arm: a, pair: &pairs[0], moves: &bulbs}).lyingPart()
	hood := &screw{arm: a, pair: &pairs[1], moves: &hoods}
	for !hood.place(0.115) {
	}
}

// buildRoundTable screws the leg into the top and the base onto the leg.
func buildRoundTable(a *arm) {
	pairs := a.e.task.Pairs
	(&screw{arm: a, pair: &pairs[0], moves: &roundLegs}).lyingPart()
	base := &screw{arm: a, pair: &pairs[1], moves: &bases}
	for !base.place(0.03) {
	}
	for !base.seated() {
		if !base.turnOnce() {
			break
		}
	}
}

// place lifts a part that stands upright, carries it above the other and lowers it until its thread takes hold or, if
// it has none, until it rests there. above is how far over its place the part travels. It reports false when the part
// was lost or did not fit; the caller tries again.
func (s *screw) place(above float64) bool {
	s.grip = -1
	s.pose = s.tool()
	s.rise(max(0.01, 0.22-s.pose.P[2]), 6)
	part := s.leg()
	x := part.Q.Rotate(geom.Vec3{1, 0, 0})
	yaw := near(math.Atan2(x[1], x[0]), firstYaw, math.Pi/2)
	s.swing(geom.Vec3{part.P[0], part.P[1], part.P[2] + s.topGrasp + s.topClear}, yaw, 16)
	part = s.leg()
	s.swing(geom.Vec3{part.P[0], part.P[1], part.P[2] + s.topGrasp}, yaw, 6)
	s.hold(1)
	s.grip = 1
	s.hold(4)
	tip, _ := s.peg()
	s.rise(above-tip[2], 14)
	if tip, _ = s.peg(); tip[2] < above-0.03 {
		return s.giveUp()
	}
	to := s.pose.P.Sub(geom.Vec3{tip[0], tip[1], 0})
	s.swing(to, yaw, 16)
	s.align(6, above)
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
