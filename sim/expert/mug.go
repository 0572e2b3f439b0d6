package expert

import (
	"math"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

// Distances of the script of mug_rack (m).
const (
	mugWall   = 0.005 // thickness between the fingers
	rimInside = 0.0025
	rimDown   = 0.015 // the tool's point below the rim: the pads' whole face, 11.5 mm up from it, is on the wall
	rimClear  = 0.05  // and above it to come and go
	hangOut   = 0.030 // the middle of the handle beyond the peg's tip, before it goes on
	hangIn    = 0.016 // and on the peg, from its tip: the mug's body passes the post there
	hangTurn  = 1.19  // rad, by which the mug is let down about the peg before it goes to where it rests
	hangNear  = 0.003 // beside the peg's axis from which on the handle may go on
	mugUp     = 0.3   // rad from upright: it stands
	handBack  = 0.07  // way of the hand from the hanging mug
)

// handle is the middle of the opening of the mug's handle, handleTop where the peg carries it; mug frame.
var handle, handleTop = geom.Vec3{0.0537, 0.067, 0}, geom.Vec3{0.0537, 0.076, 0}

// hanging is the mug's rotation in the rack's frame before it is let down: upright, the handle's opening along the peg,
// and the side that the hand holds outward.
var hanging = geom.AxisAngle(geom.Vec3{0, 1, 0}, -math.Pi/2)

// hang brings the mug of a pair onto the rack's peg.
type hang struct {
	*arm
	pair *sim.Pair
}

// hangMug takes the mug by its rim, puts its handle over the rack's peg and lets it down to where it comes to rest. It
// does what the parts and the hand ask for, one move at a time. A mug that lies on its side is left there.
func hangMug(a *arm) {
	h := &hang{a, &a.e.task.Pairs[0]}
	for {
		a.pose = a.tool()
		out, beside := h.onPeg()
		on := out < 0 && beside < 0.02
		held := h.grips()
		if held {
			h.grip = 1
		}
		switch {
		case h.e.task.Assembled(h.pair, h.rack(), h.mug()):
			h.leave()
		case held && on && out < -hangIn+0.012:
			h.letDown()
		case held && on:
			h.slide(out)
		case held:
			h.bring(out)
		case on:
			h.leave()
		case h.mug().Q.Rotate(geom.Vec3{0, 1, 0})[2] > math.Cos(mugUp):
			h.pick()
		default:
			h.leave()
		}
	}
}

func (h *hang) rack() geom.Pose { return h.part(h.pair.First) }
func (h *hang) mug() geom.Pose  { return h.part(h.pair.Second) }

// outward is the direction of the peg from its root to its tip, rack frame.
func (h *hang) outward() geom.Vec3 { return geom.Vec3(h.pair.Axis).Scale(-1) }

// onPeg is how far the middle of the handle's opening is beyond the peg's tip, along its axis, and beside it (m).
func (h *hang) onPeg() (out, beside float64) {
	d := h.rack().Inv().Apply(h.mug().Apply(handle)).Sub(h.pair.Tip)
	out = d.Dot(h.outward())
	return out, d.Sub(h.outward().Scale(out)).Norm()
}

// before is the mug's pose, base frame, upright with the middle of its handle so far beyond the tip.
func (h *hang) before(out float64) geom.Pose {
	at := geom.Vec3(h.pair.Tip).Add(h.outward().Scale(out))
	return h.rack().Mul(geom.Pose{P: at.Sub(hanging.Rotate(handle)), Q: hanging})
}

// withMug is the tool's pose that brings the mug, as it is held now, to a pose.
func (h *hang) withMug(to geom.Pose) geom.Pose { return to.Mul(h.mug().Inv()).Mul(h.tool()) }

// grips reports whether the fingers are on the mug's wall.
func (h *hang) grips() bool {
	w := float64(h.e.obs[layout.Width])
	at := h.mug().Inv().Apply(h.tool().P)
	size := h.e.task.Parts[h.pair.Second].Size
	off := math.Hypot(at[0], at[2]) - size[2]/2
	return math.Abs(w-mugWall) < 0.002 && math.Abs(at[1]-size[1]) < 0.03 && math.Abs(off) < 0.015
}

// rim is where the hand takes the mug: the tool's pose with the fingers on either side of the wall.
func (h *hang) rim() (at geom.Vec3, yaw float64) {
	size := h.e.task.Parts[h.pair.Second].Size
	m := h.mug()
	v := m.Q.Rotate(geom.Vec3{0, 0, -1})
	yaw = near(math.Atan2(v[0], -v[1]), math.Pi/4-math.Pi, 2*math.Pi)
	return m.Apply(geom.Vec3{0, size[1] - rimDown, rimInside - size[2]/2}), yaw
}

// pick grasps the standing mug by its rim and lifts it.
func (h *hang) pick() {
	h.grip = -1
	if h.e.obs[layout.Width] < 0.03 {
		h.hold(3)
	}
	at, yaw := h.rim()
	if h.pose.P[2] < at[2]+rimClear-0.01 {
		to := h.pose
		to.P[2] = at[2] + rimClear
		h.moveTo(to, 8)
	}
	h.readYaw()
	h.swing(geom.Vec3{at[0], at[1], at[2] + rimClear}, yaw, h.steps(at))
	at, yaw = h.rim()
	h.swing(at, yaw, 8)
	h.hold(1)
	h.clench()
	if !h.grips() {
		return
	}
	to := h.pose
	to.P[2] += max(0, h.before(hangOut).P[2]-h.mug().P[2]) + 0.01
	h.moveTo(to, 12)
}

// steps is how many steps the way of the tool to a point takes.
func (h *hang) steps(to geom.Vec3) int {
	perStep := 0.025
	if h.grip > 0 {
		perStep = 0.011 // the wall is thin and the mug heavy: held at its rim it must not be swung
	}
	return max(3, int(math.Ceil(h.pose.P.Sub(to).Norm()/perStep)))
}

// bring carries the mug to before the peg, around its tip, and onto it.
func (h *hang) bring(out float64) {
	goal := h.before(hangOut)
	if low := goal.P[2] - h.mug().P[2]; low > 0.01 {
		to := h.pose
		to.P[2] += low
		h.moveTo(to, max(4, int(low/0.02)))
	}
	if d := h.rack().Inv().Apply(h.mug().Apply(handle)).Sub(h.pair.Tip); d[0] < hangOut/2 && math.Abs(d[2]) < 0.12 {
		around := h.before(hangOut)
		back := h.rack().Q.Rotate(geom.Vec3{hangOut - d[0], 0, 0})
		around.P, around.Q = h.mug().P.Add(back), h.mug().Q
		to := h.withMug(around)
		h.moveTo(to, h.steps(to.P))
	}
	for i := range 3 {
		to := h.withMug(h.before(hangOut))
		h.moveTo(to, max([3]int{8, 4, 3}[i], h.steps(to.P), int(h.pose.Q.Angle(to.Q)/0.12)))
		h.hold(1)
	}
	if out, beside := h.onPeg(); h.grips() && beside < 2*hangNear && out < 2*hangOut {
		h.slide(out)
	}
}

// slide puts the handle over the peg in short moves along it.
func (h *hang) slide(out float64) {
	for h.grips() && out > -hangIn+0.001 {
		out = max(-hangIn, out-0.020)
		to := h.withMug(h.before(out))
		h.moveTo(to, 5)
	}
}

// letDown turns the mug about the peg, then takes it to where it comes to rest, and lets go.
func (h *hang) letDown() {
	to := h.pair.Target(0)
	d := h.outward()
	down := geom.AxisAngle(d, -hangTurn).Mul(geom.AxisAngle(geom.Vec3{0, 0, 1}, math.Atan2(d[1], d[0]))).Mul(hanging)
	at := geom.Vec3(h.pair.Tip).Sub(h.outward().Scale(hangIn))
	if from := h.rack().Inv().Mul(h.mug()).Q; from.Angle(down) < from.Angle(to.Q)+0.2 || from.Angle(hanging) < hangTurn/2 {
		h.follow(geom.Pose{P: at.Sub(down.Rotate(handleTop)), Q: down}, 20)
	}
	h.follow(to, 12)
	h.hold(3)
	h.leave()
}

// follow moves the mug in the hand to a pose in the rack's frame in n steps, the top of its handle on a straight line.
func (h *hang) follow(to geom.Pose, n int) {
	tool, rack := h.mug().Inv().Mul(h.tool()), h.rack()
	from := rack.Inv().Mul(h.mug())
	a, b := from.Apply(handleTop), to.Apply(handleTop)
	for i := 1; i <= n && h.grips(); i++ {
		t := smooth(i, n)
		q := from.Q.Slerp(to.Q, t)
		h.pose = rack.Mul(geom.Pose{P: a.Lerp(b, t).Sub(q.Rotate(handleTop)), Q: q}).Mul(tool)
		h.step()
	}
}

// leave opens the hand and takes it away from the mug, back the way it points and up, and waits there.
func (h *hang) leave() {
	if h.grip < 0 && h.e.obs[layout.Width] > 0.03 && h.tool().P.Sub(h.mug().P).Norm() > 0.2 {
		h.step()
		return
	}
	h.grip = -1
	h.hold(4)
	to := h.pose
	to.P = to.Apply(geom.Vec3{0, 0, -handBack})
	h.moveTo(to, 6)
	h.moveTo(geom.Pose{P: geom.Vec3{to.P[0], to.P[1], max(to.P[2], 0.35)}, Q: downward(firstYaw)}, 14)
}
