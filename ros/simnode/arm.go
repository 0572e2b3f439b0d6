package simnode

import "korr/sim"

// PoseStepper is an Env that takes the target as a float64 pose, the form in which a command crosses the wire. Step
// must be the same function after turning its rotation 6D into a quaternion with geom; then an episode over ROS equals
// the one in process bit for bit. An Env without it is given the pose as a float32 action instead, which moves the
// rotation by up to one unit in the last place.
type PoseStepper interface {
	// StepPose executes one control step toward position (m) and rotation (quaternion x y z w), base frame. gripper is
	// as in sim.Env: above the dead band closes, below opens, between keeps.
	StepPose(obs []float32, position [3]float64, rotation [4]float64, gripper float64) (sim.Result, error)
}

// Slicer is an Env whose control step can be taken in equal slices, so that in real time the arm is observed and
// commanded more often than once per control step. Without it the simulator's messages come at the control rate.
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
