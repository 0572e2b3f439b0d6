package simarm

import "korr/sim"

// Offsets into the arm state that State writes (float64). Parts follow from Parts on, seven values each.
const (
	Q        = 0  // joint positions, 7, rad
	DQ       = 7  // joint velocities, 7, rad/s
	Position = 14 // end-effector (tool point) position, 3, m, base frame
	Rotation = 17 // end-effector rotation matrix, 9, row-major, base frame
	Twist    = 26 // linear velocity of the tool point (3, m/s), angular velocity (3, rad/s), base frame
	Fingers  = 32 // the two finger joints, m; the gripper width is their sum
	Parts    = 34 // per part in Spec.PartNames order: position (3, m) and quaternion x y z w with w >= 0, tag frame
)

// Dim is the length of the arm state of an environment with n parts, the obstacle included.
func Dim(n int) int { return Parts + sim.PoseDim*n }

// State is what an Env must also implement to be served as an arm. The signature uses plain types, so that an
// engine need not import this package.
//
// The values describe the instant of the newest observation, and that observation must be their rounding:
//
//	obs[0:3]  = float32(dst[14:17])    position
//	obs[3:9]  = float32(dst[17:23])    the first two rows of the rotation matrix
//	obs[9:15] = float32(dst[26:32])    linear and angular velocity
//	obs[15]   = float32(dst[32] + dst[33])
//	obs[16:]  = float32(dst[34:])      part poses
type State interface {
	// ArmStateTo writes the state of the newest observation; dst has length Dim(len(Spec().PartNames)).
	ArmStateTo(dst []float64)
}
