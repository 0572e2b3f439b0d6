//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"math"
	"slices"
	"unsafe"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/sim"
)

// Offsets into the arm state of ArmStateTo.
const (
	armQ     = 0
	armDQ    = 7
	armPos   = 14
	armRot   = 17
	armTwist = 26
	armHand  = 32
	armParts = 34
)

// ArmStateTo writes what a real arm's driver and a part tracker would report at the newest observation, which is its
// rounding to float32: joint positions (7, rad), joint velocities (7, rad/s), tool position (3, m) and rotation matrix
// (9, row-major), linear (m/s) and angular velocity (rad/s) in the base frame, the two finger joints (m), then per part
// and for the obstacle position (m) and quaternion x y z w with w >= 0 in the tag frame.
func (e *Env) ArmStateTo(dst []float64) {
	s := e.s
	for k := range 7 {
		dst[armQ+k], dst[armDQ+k] = float64(s.q[k]), float64(s.dq[k])
	}
	for k := range 3 {
		dst[armPos+k] = float64(s.tool_pos[k])
	}
	for k := range 9 {
		dst[armRot+k] = float64(s.tool_mat[k])
	}
	for k := range 6 {
		dst[armTwist+k] = float64(s.tool_vel[k])
	}
	dst[armHand], dst[armHand+1] = float64(s.fingers[0]), float64(s.fingers[1])
	tag := geom.TagFrame.Inv()
	for i := range e.poses {
		p := s.pose[7*i:]
		e.poses[i] = geom.Pose{
			P: geom.Vec3{float64(p[0]), float64(p[1]), float64(p[2])},
			Q: geom.Quat{float64(p[4]), float64(p[5]), float64(p[6]), float64(p[3])},
		}
		pose := tag.Mul(e.poses[i])
		pose.Q = pose.Q.Canonical()
		at := dst[armParts+sim.PoseDim*i:]
		copy(at, pose.P[:])
		copy(at[3:], pose.Q[:])
	}
}

// observe reads the engine's state and writes the observation.
func (e *Env) observe(obs []float32) {
	a := e.arm
	e.ArmStateTo(a)
	for k := range layout.Tool { // position and the first two rows of the rotation
		obs[k] = float32(a[armPos+k])
	}
	for k := range layout.Twist.Len() {
		obs[layout.Twist.From+k] = float32(a[armTwist+k])
	}
	obs[layout.Width] = float32(a[armHand] + a[armHand+1])
	for k := range obs[sim.StateDim:] {
		obs[sim.StateDim+k] = float32(a[armParts+k])
	}
}

// OneYaw reports whether every pair stood at its published yaw when it was assembled first; see sim.Judge.
func (e *Env) OneYaw() bool { return !slices.Contains(e.judge.OneYaw(), false) }

// PegState describes threaded peg i against the nearest hole: depth below the mouth (m), lateral distance (m), angle
// between the axes (rad), yaw about the hole's axis (rad), and the lateral offset in x and z of the receiver (m).
func (e *Env) PegState(i int) (out [6]float64) {
	var c [6]C.double
	C.korr_peg_state(e.s, C.int(i), &c[0], nil)
	for k := range c {
		out[k] = float64(c[k])
	}
	return out
}

// threaded reports whether the thread of peg i has taken hold.
func (e *Env) threaded(i int) bool { return e.s.peg[i].engaged != 0 }

// penetration is the deepest contact of the last control step (m).
func (e *Env) penetration() float64 { return float64(e.s.max_penetration) }

// putPart moves part i to a pose in the base frame.
func (e *Env) putPart(i int, pose geom.Pose) {
	e.setPart(i, pose)
	C.korr_forward(e.s)
}

// twist schedules a torque about the vertical (N m) and an upward force (N) on part i for the start of the next control
// step.
func (e *Env) twist(i int, torque, up float64) {
	e.s.push[6*i+2], e.s.push[6*i+5] = C.double(up), C.double(torque)
	e.s.has_push = 1
}

// setSpeed sets one of part i's velocities: 0 to 2 linear (m/s), 3 to 5 angular (rad/s).
func (e *Env) setSpeed(i, k int, v float64) {
	unsafe.Slice(e.s.d.qvel, e.s.m.nv)[int(e.s.vadr[i])+k] = C.mjtNum(v)
}

// partMass is the compiled mass of part i (kg).
func (e *Env) partMass(i int) float64 {
	return float64(unsafe.Slice(e.s.m.body_mass, e.s.m.nbody)[e.s.body[i]])
}

// partExtent is the axis-aligned extent of part i's geometry in its own frame (m).
func (e *Env) partExtent(i int) (lo, hi geom.Vec3) {
	m := e.s.m
	lo, hi = geom.Vec3{1, 1, 1}, geom.Vec3{-1, -1, -1}
	body := unsafe.Slice(m.geom_bodyid, m.ngeom)
	kind, size := unsafe.Slice(m.geom_type, m.ngeom), unsafe.Slice(m.geom_size, 3*m.ngeom)
	pos := unsafe.Slice(m.geom_pos, 3*m.ngeom)
	quat := unsafe.Slice(m.geom_quat, 4*m.ngeom)
	for g := range int(m.ngeom) {
		if body[g] != e.s.body[i] {
			continue
		}
		h := geom.Vec3{float64(size[3*g]), float64(size[3*g+1]), float64(size[3*g+2])}
		switch kind[g] { // half extents along the geometry's own axes; a capsule's or cylinder's axis is its z
		case C.mjGEOM_SPHERE:
			h = geom.Vec3{h[0], h[0], h[0]}
		case C.mjGEOM_CAPSULE:
			h = geom.Vec3{h[0], h[0], h[1] + h[0]}
		case C.mjGEOM_CYLINDER:
			h = geom.Vec3{h[0], h[0], h[1]}
		}
		r := geom.Quat{float64(quat[4*g+1]), float64(quat[4*g+2]), float64(quat[4*g+3]), float64(quat[4*g])}.Mat()
		for k := range 3 {
			row := r.Row(k)
			reach := math.Abs(row[0])*h[0] + math.Abs(row[1])*h[1] + math.Abs(row[2])*h[2]
			c := float64(pos[3*g+k])
			lo[k], hi[k] = min(lo[k], c-reach), max(hi[k], c+reach)
		}
	}
	return lo, hi
}
