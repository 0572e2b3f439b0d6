//go:build mujoco

package mujoco

/*
#include "shim.h"
*/
import "C"

import (
	"korr/internal/geom"
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
	for k := range 9 { // position and the first two rows of the rotation
		obs[k] = float32(a[armPos+k])
	}
	for k := range 6 {
		obs[9+k] = float32(a[armTwist+k])
	}
	obs[15] = float32(a[armHand] + a[armHand+1])
	for k := range obs[sim.StateDim:] {
		obs[sim.StateDim+k] = float32(a[armParts+k])
	}
}

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
