package expert

import (
	"math"

	"korr/internal/geom"
	"korr/sim"
)

// Geometry of the script (m, rad).
const (
	clearAbove   = 0.008 // peg tip above the hole's mouth before the insertion
	engagedAt    = 0.0037
	turn         = math.Pi
	turnSteps    = 14
	firstYaw     = 1.30 // least yaw at which a turn begins: with turn it keeps joint 7 inside its range
	closeSteps   = 6    // the fingers take 0.06 m/s from fully open and need a moment to press
	insertSteps  = 26
	stopAt       = 0.0012 // depth short of the seat at which a part that is screwed down is turned no further
	seatedWithin = 0.0028 // and at which it counts as seated: it rises a little when the tool lets go
)

// sideways is the tool's orientation during an insertion: it points along -y, from the leg's side, which every hole
// within the workspace allows; pointing forward or back at the robot runs into joint 6 or out of reach. It is a
// rotation by 120 degrees (x to z, y to x, z to y) of the tool that grasped the leg from above with yaw pi.
var sideways = geom.Mat3{0, 1, 0, 0, 0, 1, 1, 0, 0}.Quat().Mul(downward(math.Pi))

// moves are the distances with which a script handles a kind of part (m).
type moves struct {
	graspHead float64 // side grasp: this far from the part's origin along its axis
	thick     float64 // of the part between the fingers; 0: not known
	topThick  float64 // in a top grasp, where that differs
	graspZ    float64 // tool height when grasping a lying part
	topGrasp  float64 // top grasp: tool this far above the part's origin
	topClear  float64 // and this much higher to come and go
	hover     float64 // tool height over the receiver after the release
	travel    float64 // tool height on the way to a lying part
	carry     bool    // carry the part to where the elbow stays on its side before turning it upright
	halfWidth float64 // of the part where it is grasped lying; 0: the hand comes down on its middle whatever is beside it
	slide     float64 // and how much nearer to its tip the hand may take it
	retreat   float64 // backward move that frees the tool after the release; 0: it leaves straight up
	leastYaw  float64 // side grasp: the tool's yaw is the one in the whole turn from here, rad
	round     bool    // a top grasp fits at any angle, not only on the flats of a square
	full      bool    // screw down to the seat, not only to the tolerance
	stop      bool    // stop a turn within the tolerance
}

// squareLegs are the moves for a leg of the square table.
var squareLegs = moves{
	thick: 0.030, graspHead: 0.012, graspZ: 0.016, topGrasp: 0.019, topClear: 0.035, hover: 0.2,
	travel: 0.09,
}

// screwTable assembles every screwed pair of a square table: side grasp, lift, reorient so that the tool points
// sideways, insert, release, and turn from above with regrasps.
func screwTable(a *arm) {
	s := &screw{arm: a, pair: &a.e.task.Pairs[0], moves: &squareLegs, corner: nearHole}
	for !s.seated() {
		s.goOn()
	}
}

// corners are where the four legs of a square table go, one after the other (base frame, m): the far side first, for
// the tool comes from the near one.
var corners = []geom.Vec3{{0.4853, -0.05625, 0}, {0.5978, -0.05625, 0}, nearHole, {0.5978, 0.05625, 0}}

// middle is the top's nominal place, to which the corners belong.
var middle = geom.Vec3{0.54155, 0, 0}

// nearHole is the nominal place of the hole that is easiest to reach.
var nearHole = geom.Vec3{0.4853, 0.05625, 0}

// squareTableLegs are the moves for a leg that is not the last: the turn must stop where the square leg is aligned, the
// tool travels above the legs that stand, and turns the leg upright where the arm's elbow stays on its side: near to
// the legs on the right it swings to the other one, from where the wrist does not reach the next leg.
var squareTableLegs = func() moves {
	m := squareLegs
	m.stop, m.travel, m.carry = true, 0.15, true
	m.halfWidth, m.slide, m.graspZ = 0.015, 0.010, 0.017
	return m
}()

// screwSquareTable assembles all four legs. A leg that falls out while others are brought is done again.
func screwSquareTable(a *arm) {
	pairs := a.e.task.Pairs
	for {
		for i := range pairs {
			s := &screw{arm: a, pair: &pairs[i], moves: &squareTableLegs, corner: corners[i]}
			for !s.standing() {
				s.goOn()
			}
			for n := 0; n < 10 && !s.seated() && s.left() > stopAt; n++ {
				if held := s.holds(); held || !s.down() {
					s.fasten(held)
				} else if !s.turnOnce() {
					break
				}
			}
		}
		a.step()
	}
}

// standing reports whether the leg stands in one of the holes, and notes in which.
func (s *screw) standing() bool {
	f := s.pair.Fit(s.top(), s.leg())
	s.hole = f.Hole
	return f.Offset[1] < -0.003 && f.Lateral() < 0.003 && f.Tilt() < 0.2
}

// screw brings the second part of a pair, called the leg here, to the first, called the top.
type screw struct {
	*arm
	*moves
	pair   *sim.Pair
	corner geom.Vec3 // of the holes, the one nearest to here
	hole   int
	again  bool // something was done already: the part may lie anywhere
	stuck  int  // turns in a row that brought nothing
}

func (s *screw) leg() geom.Pose { return s.part(s.pair.Second) }
func (s *screw) top() geom.Pose { return s.part(s.pair.First) }

// mouth is the centre of the chosen hole's opening, base frame; where the leg has the hole, the top's tip.
func (s *screw) mouth() geom.Vec3 {
	if s.pair.MaleFirst {
		return s.top().Apply(s.pair.Tip)
	}
	return s.top().Apply(s.pair.Mouth(s.hole))
}

// choose picks the free hole nearest to the corner that is easiest to reach.
func (s *screw) choose() {
	want := s.corner
	if s.stop { // the corners of the top as it stands, so that no leg is in the way of the hand that brings the next
		top := s.top().P
		want = top.Add(geom.AxisAngle(geom.Vec3{0, 0, 1}, s.edge()).Rotate(want.Sub(middle)))
	}
	best := math.Inf(1)
	for i := range s.pair.Targets {
		d := s.top().Apply(s.pair.Mouth(i)).Sub(want)
		d[2] = 0
		if n := d.Norm(); n < best && !s.taken(i) {
			best, s.hole = n, i
		}
	}
}

// taken reports whether another part of the task stands in hole i.
func (s *screw) taken(i int) bool {
	mouth := s.pair.Mouth(i)
	pairs := s.e.task.Pairs
	for k := range pairs {
		other := &pairs[k]
		if other == s.pair || other.First != s.pair.First || other.MaleFirst {
			continue
		}
		d := s.top().Inv().Apply(s.part(other.Second).Apply(other.Tip)).Sub(mouth)
		if d[1] < 0.002 && math.Hypot(d[0], d[2]) < 0.02 {
			return true
		}
	}
	return false
}

// axes are the axes of the joint in the base frame: the leg's and the top's, which agree after assembly.
func (s *screw) axes() (leg, top geom.Vec3) {
	y := geom.Vec3{0, 1, 0}
	peg, hole := s.pair.Peg().Q, s.pair.Hole(s.hole).Q
	if s.pair.MaleFirst {
		return s.leg().Q.Mul(hole).Rotate(y), s.top().Q.Mul(peg).Rotate(y)
	}
	return s.leg().Q.Mul(peg).Rotate(y), s.top().Q.Mul(hole).Rotate(y)
}

// peg is the leg's tip (or mouth) relative to the top's mouth (or tip) in the base frame, and the angle between the
// leg's axis and the hole's.
func (s *screw) peg() (tip geom.Vec3, tilt float64) {
	at := s.pair.Tip
	if s.pair.MaleFirst {
		at = s.pair.Mouth(s.hole)
	}
	tip = s.leg().Apply(at).Sub(s.mouth())
	leg, top := s.axes()
	return tip, math.Acos(min(1, max(-1, leg.Dot(top))))
}

func (s *screw) engaged() bool {
	tip, tilt := s.peg()
	return -tip[2] > engagedAt && math.Hypot(tip[0], tip[1]) < 0.0014 && tilt < 0.07
}

// left is the depth short of the seat.
func (s *screw) left() float64 {
	tip, _ := s.peg()
	return s.pair.Thread.Seat + tip[2]
}

func (s *screw) seated() bool {
	if s.full {
		return s.fits() && s.left() < seatedWithin
	}
	return s.e.task.Assembled(s.pair, s.top(), s.leg())
}

// insertLeg grasps the leg and brings its peg into the hole until the thread takes hold. It reports false when the
// leg was lost or the peg did not go in; the caller tries again.
func (s *screw) insertLeg() bool {
	s.choose()
	s.straighten()
	s.readYaw()
	s.grip = -1
	if !s.pick() {
		s.rise(0.06, 6)
		return false
	}
	m := s.mouth()
	h := geom.Vec3{m[0], m[1], m[2] + s.graspHead - s.pair.Tip[1] + 0.05}
	if at := s.pose.P; (s.carry || s.again) && (at[1] < 0 || math.Abs(s.yaw-math.Pi) > 0.5) {
		s.swing(geom.Vec3{at[0] + 0.04, max(at[1], 0), 0.20}, math.Pi, 12)
	}
	mid := s.pose.P.Lerp(h, 0.5)
	mid[2] = 0.24
	side := s.side()
	s.moveTo(geom.Pose{P: mid, Q: s.pose.Q.Slerp(side, 0.5)}, 9)
	s.moveTo(geom.Pose{P: h, Q: side}, 10)
	if s.stop {
		s.align(5, 3*clearAbove)
	}
	for i := range 3 {
		s.align([3]int{7, 4, 3}[i], clearAbove)
	}
	if s.leg().P[2] < 0.06 {
		return s.giveUp()
	}
	for range insertSteps {
		if s.engaged() {
			s.release()
			return true
		}
		s.insertStep()
	}
	return s.giveUp()
}

// side is the orientation of the tool during the insertion: sideways, along an edge of the top where other legs may
// stand beside the hole.
func (s *screw) side() geom.Quat {
	if !s.stop {
		return sideways
	}
	return geom.AxisAngle(geom.Vec3{0, 0, 1}, s.edge()).Mul(sideways)
}

// edge is the angle of that edge of the top which is nearest to the base frame's x axis, rad.
func (s *screw) edge() float64 {
	x := s.top().Q.Rotate(geom.Vec3{1, 0, 0})
	return near(math.Atan2(x[1], x[0]), -math.Pi/4, math.Pi/2)
}

func (s *screw) giveUp() bool {
	s.rise(0.06, 6)
	return false
}

// pick grasps the leg from above and lifts it.
func (s *screw) pick() bool {
	leg := s.leg()
	axis := leg.Q.Rotate(geom.Vec3{0, 1, 0})
	yaw := near(math.Atan2(-axis[1], -axis[0]), s.leastYaw, 2*math.Pi)
	if s.again && yaw > mostYaw {
		yaw -= 2 * math.Pi
	}
	g := leg.P.Add(axis.Scale(s.graspHead))
	g, down := s.beside(g, yaw)
	z := s.graspZ
	if up := leg.P[2] + s.e.task.Parts[s.pair.Second].Position[2]; math.Abs(up) > 0.004 { // it lies on something
		z += up
	}
	if at := s.pose.P; math.Hypot(at[0]-g[0], at[1]-g[1]) > onTheWay || at[2] > s.travel || math.Abs(s.yaw-yaw) > 0.1 {
		if at[2] < 0.06 {
			s.rise(0.06, 4)
		}
		s.swing(geom.Vec3{g[0], g[1], max(s.travel, z+0.05)}, yaw, 18)
	}
	s.swing(geom.Vec3{g[0], g[1], z}, yaw, down)
	s.hold(1)
	s.grip = 1
	s.hold(closeSteps)
	s.swing(geom.Vec3{g[0], g[1], 0.16}, yaw, 8)
	return s.leg().P[2] > 0.10
}

// align straightens the leg and centres the tip above the mouth in n steps, from the measured poses.
func (s *screw) align(n int, above float64) {
	axis, up := s.axes()
	to := s.pose
	if fix := axis.Cross(up); fix.Norm() > 1e-6 {
		to.Q = geom.AxisAngle(fix.Scale(1/fix.Norm()), math.Asin(min(1, fix.Norm()))).Mul(to.Q)
	}
	tip, _ := s.peg()
	to.P = to.P.Sub(tip)
	to.P[2] += above
	s.moveTo(to, n)
	s.hold(1)
}

// insertStep lowers the peg by 1.5 mm and corrects its lateral error, with the configured noise.
func (s *screw) insertStep() {
	tip, _ := s.peg()
	for k := range 2 {
		s.pose.P[k] -= 0.3*tip[k] - s.e.cfg.InsertNoise*s.e.rng.NormFloat64()
	}
	s.pose.P[2] -= 0.0015
	s.step()
}

// release opens the fingers where they are, leaves upward and turns the tool down again.
func (s *screw) release() {
	s.pose = s.tool()
	s.grip = -1
	s.hold(3)
	if s.retreat > 0 {
		to := s.pose
		to.P = to.Apply(geom.Vec3{0, 0, -s.retreat})
		s.moveTo(to, 7)
	}
	s.rise(0.10, 7)
	m := s.mouth()
	s.yaw = firstYaw
	s.moveTo(geom.Pose{P: geom.Vec3{m[0], m[1], s.hover}, Q: downward(firstYaw)}, 11)
}

// turnOnce grasps the leg from above, turns it clockwise and lets go. It reports false when the leg no longer stands
// in the hole.
func (s *screw) turnOnce() bool {
	leg := s.leg()
	if _, tilt := s.peg(); tilt > 0.3 {
		return false
	}
	x := leg.Q.Rotate(geom.Vec3{1, 0, 0})
	start := near(math.Atan2(x[1], x[0]), firstYaw, math.Pi/2)
	if s.round {
		start = firstYaw
	}
	z := leg.P[2] + s.topGrasp
	s.swing(geom.Vec3{leg.P[0], leg.P[1], z + s.topClear}, start, 13)
	leg = s.leg()
	s.swing(geom.Vec3{leg.P[0], leg.P[1], z}, start, 5)
	s.grip = 1
	s.hold(closeSteps)
	s.screwDown(turnSteps)
	return true
}

// screwDown turns the part in the hand by so many steps and lets go.
func (s *screw) screwDown(steps int) {
	sink := s.pair.Thread.Pitch * turn / (2 * math.Pi) / turnSteps
	aligned := 0
	for range steps {
		if s.stop && s.seated() {
			aligned++
		}
		if s.full && s.left() < stopAt || aligned > 1 {
			break
		}
		s.yaw -= turn / turnSteps
		s.pose.P[2] -= sink
		s.pose.Q = downward(s.yaw)
		s.step()
	}
	s.hold(1)
	s.grip = -1
	s.hold(2)
	s.rise(s.topClear, 4)
}
