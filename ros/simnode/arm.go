package simnode

import "korr/sim"

// Offsets into the arm state that ArmState writes (float64). Parts follow from ArmParts on, seven values each.
const (
	ArmQ        = 0  // joint positions, 7, rad
	ArmDQ       = 7  // joint velocities, 7, rad/s
	ArmPosition = 14 // end-effector (tool point) position, 3, m, base frame
	ArmRotation = 17 // end-effector rotation matrix, 9, row-major, base frame
	ArmTwist    = 26 // linear velocity of the tool point (3, m/s), angular velocity (3, rad/s), base frame
	ArmFingers  = 32 // the two finger joints, m; the gripper width is their sum
	ArmParts    = 34 // per part in Spec.PartNames order: position (3, m) and quaternion x y z w with w >= 0, tag frame
)

// ArmDim is the length of the arm state of an environment with n parts, the obstacle included.
func ArmDim(n int) int { return ArmParts + sim.PoseDim*n }

// ArmState is what an Env must also implement to be served as an arm. The signature uses plain types, so that an
// engine need not import this package.
//
// The values describe the instant of the newest observation, and that observation must be their rounding:
//
//	obs[0:3]  = float32(dst[14:17])    position
//	obs[3:9]  = float32(dst[17:23])    the first two rows of the rotation matrix
//	obs[9:15] = float32(dst[26:32])    linear and angular velocity
//	obs[15]   = float32(dst[32] + dst[33])
//	obs[16:]  = float32(dst[34:])      part poses
type ArmState interface {
	// ArmStateTo writes the state of the newest observation; dst has length ArmDim(len(Spec().PartNames)).
	ArmStateTo(dst []float64)
}

// PoseStepper is an Env that takes the target as a float64 pose, the form in which a command crosses the wire. Step
// must be the same function after turning its rotation 6D into a quaternion with geom; then an episode over ROS equals
// the one in process bit for bit. An Env without it is given the pose as a float32 action instead, which moves the
// rotation by up to one unit in the last place.
type PoseStepper interface {
	// StepPose executes one control step toward position (m) and rotation (quaternion x y z w), base frame. gripper is
	// as in sim.Env: above the dead band closes, below opens, between keeps.
	StepPose(obs []float32, position [3]float64, rotation [4]float64, gripper float64) (sim.Result, error)
}

// Slicer is an Env whose control step can be taken in equal slices, so that in real time the arm is observed and commanded
// more often than once per control step. Without it the simulator's messages come at the control rate.
type Slicer interface {
	// Slices is the most slices of a control step; n must divide it.
	Slices() int
	// StepSlice is StepPose for slice i of n: obs and result are written by the last one, ArmStateTo tells of each.
	StepSlice(obs []float32, position [3]float64, rotation [4]float64, gripper float64, i, n int) (sim.Result, error)
}

// Disturber is an Env whose parts ~perturb can push and displace.
type Disturber interface {
	// PushPart lets a force (N) and a torque (N m), base frame, act on part i during the next step or slice.
	PushPart(i int, wrench [6]float64) error
	// MovePart displaces part i by shift (m) and turns it by a rotation vector (rad), base frame.
	MovePart(i int, shift, turn [3]float64) error
}
