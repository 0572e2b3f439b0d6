package expert

import (
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
)

// What the script of peg_hole takes for what when it looks, and its distances (m, rad).
const (
	pinWidth   = 0.008  // of the peg, between the fingers
	pinGrasp   = 0.013  // the hand takes it so far above its middle
	pinLying   = 0.7    // tilt from which on it counts as lying
	pinAbove   = 0.012  // of the tip above the block when it is aligned
	pinThrough = 0.0005 // above the table when it is let go
	pinFree    = 0.15   // height of the tip on the way to the block
	blockTop   = 0.025  // height of the block
	pinInside  = 0.004  // depth of the tip below the block's top at which it is in the hole
)

// pins are the moves for the peg: the tool is low, for it lies flat, and takes it above the block's top.
var pins = moves{graspHead: pinGrasp, graspZ: 0.0135, topGrasp: pinGrasp, topClear: 0.035, travel: 0.09}

// pegInHole puts the peg through the block. It does what the parts and the hand ask for, one move at a time, wherever
// they are: an empty hand fetches the peg, standing or lying, and one that holds it brings it over the hole and in.
func pegInHole(a *arm) {
	s := &screw{arm: a, pair: &a.e.task.Pairs[0], moves: &pins}
	for {
		a.pose = a.tool()
		tip, tilt := s.peg()
		inside := math.Hypot(tip[0], tip[1]) < 0.004 && tip[2] < blockTop-pinInside && tilt < 0.3
		held := s.gripsPin()
		if held {
			s.grip = 1
		}
		switch {
		case inside && held && tip[2] > pinThrough:
			s.pushPin()
		case inside && held:
			s.letGo()
		case inside && tip[2] > pinThrough+0.002:
			s.takePin() // stuck on its way: once more
		case inside:
			s.away()
		case held:
			s.bringPin(tip, tilt)
		default:
			s.fetchPin(tilt)
		}
	}
}

// gripsPin reports whether the fingers are on the peg.
func (s *screw) gripsPin() bool {
	w := float64(s.e.obs[layout.Width])
	at := s.leg().Inv().Apply(s.tool().P)
	return math.Abs(w-pinWidth) < 0.003 && math.Hypot(at[0], at[2]) < 0.008 && math.Abs(at[1]) < 0.032
}

// away leaves what stands assembled.
func (s *screw) away() {
	if d := s.tool().P.Sub(s.leg().P); s.grip > 0 || d.Norm() < 0.05 {
		s.letGo()
		return
	}
	s.step()
}

// letGo opens the fingers and takes the hand back the way it points, then up.
func (s *screw) letGo() {
	s.grip = -1
	s.hold(3)
	to := s.pose
	to.P = to.Apply(geom.Vec3{0, 0, -0.06})
	s.moveTo(to, 6)
	if s.pose.P[2] < 0.15 {
		to.P[2] = 0.15
		s.moveTo(to, 5)
	}
}

// upwards goes straight up to a height (m) when the tool is below it.
func (s *screw) upwards(z float64, n int) {
	if s.pose.P[2] < z {
		to := s.pose
		to.P[2] = z
		s.moveTo(to, n)
	}
}

// faceDown turns a tool that does not point down, high over the table.
func (s *screw) faceDown() {
	if s.pose.Q.Rotate(geom.Vec3{0, 0, 1})[2] > -0.95 {
		s.upwards(0.15, 5)
		s.moveTo(geom.Pose{P: geom.Vec3{s.pose.P[0], s.pose.P[1], max(s.pose.P[2], 0.2)}, Q: downward(firstYaw)}, 11)
	}
	s.readYaw()
}

// fetchPin grasps the peg where it is and lifts it.
func (s *screw) fetchPin(tilt float64) {
	s.grip = -1
	if s.e.obs[layout.Width] < 0.02 {
		s.hold(3) // the fingers open
	}
	s.faceDown()
	if tilt > pinLying {
		s.upwards(s.travel, 4)
		s.pick()
		return
	}
	if s.takePin() {
		s.upwards(pinFree+0.04, 8)
	}
}

// takePin closes the hand on a peg that stands, and reports whether it has it.
func (s *screw) takePin() bool {
	s.grip = -1
	s.faceDown()
	pin := s.leg().P
	above := pin[2] + s.topGrasp + s.topClear
	d := s.pose.P.Sub(pin)
	if beside := math.Hypot(d[0], d[1]); beside > 0.004 {
		s.upwards(above, 4)
		s.swing(geom.Vec3{pin[0], pin[1], above}, s.pinYaw(), max(5, int(beside/0.02)))
	}
	pin = s.leg().P
	s.swing(geom.Vec3{pin[0], pin[1], pin[2] + s.topGrasp}, s.yaw, 6)
	s.hold(1)
	s.clench()
	return s.gripsPin()
}

// pinYaw is the tool's yaw, nearest to the present one, whose fingers close along the line to the block: either finger
// comes down clear of it.
func (s *screw) pinYaw() float64 {
	d := s.leg().P.Sub(s.top().P)
	return near(math.Atan2(d[1], d[0])+math.Pi/2, s.yaw-math.Pi/2, math.Pi)
}

// bringPin carries the peg in the hand over the hole, upright, and a little into it.
func (s *screw) bringPin(tip geom.Vec3, tilt float64) {
	beside := math.Hypot(tip[0], tip[1])
	if tilt > 0.15 || beside > 0.006 {
		if up := pinFree - tip[2]; up > 0.01 && beside > 0.006 {
			s.upwards(s.pose.P[2]+up, max(3, int(up/0.018)))
		}
		if tilt > pinLying {
			s.turnUp()
			return
		}
		s.align(max(4, int(beside/0.012)), pinFree)
		s.align(4, blockTop+2*pinAbove)
	}
	if tip, _ = s.peg(); tip[2] > blockTop-0.001 {
		s.align(5, blockTop+pinAbove)
		s.align(3, blockTop+pinAbove/2)
	}
	for range insertSteps {
		if tip, tilt = s.peg(); tip[2] < blockTop-pinInside || tilt > 0.15 || !s.gripsPin() {
			return
		}
		s.insertStep()
	}
	s.upwards(s.pose.P[2]+0.03, 4)
}

// turnUp turns a peg that was grasped lying upright: the tool points sideways then.
func (s *screw) turnUp() {
	h := s.top().P
	to := geom.Pose{P: geom.Vec3{h[0], h[1], pinFree + 0.06}, Q: sideways}
	mid := geom.Pose{P: s.pose.P.Lerp(to.P, 0.5), Q: s.pose.Q.Slerp(to.Q, 0.5)}
	mid.P[2] = 0.24
	s.moveTo(mid, 9)
	s.moveTo(to, 10)
}

// pushPin lowers the peg in the hole to the table.
func (s *screw) pushPin() {
	for range insertSteps {
		tip, tilt := s.peg()
		if tip[2] < pinThrough || tilt > 0.15 || !s.gripsPin() {
			return
		}
		for k := range 2 {
			s.pose.P[k] -= 0.3 * tip[k]
		}
		s.pose.P[2] -= min(0.003, tip[2]+0.0002)
		s.step()
	}
	s.grip = -1 // it does not go on: let go and look again
	s.hold(3)
}
