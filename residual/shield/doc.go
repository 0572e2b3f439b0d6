// Package shield is the last check before a command reaches the robot.
//
// [Limits.ApplyTo] takes the raw command of the policy, the measured state and the command sent before,
// and writes a command that is finite, orthonormal and inside every limit; or it refuses. It is a pure
// function on the caller's buffers, allocates nothing, and computes in float64.
//
// The position p (m, robot base frame) goes through four projections, each onto a set that contains the
// result of the next:
//
//	p <- nearest point of the workspace box
//	p <- within MaxSpeed dt of the previous command     (rate limit)
//	p <- a motion within MaxAccel dt^2 of the last one  (acceleration; only of a Shield, which knows that motion)
//	p <- within MaxStep of the measured position m      (step limit)
//	p <- nearest point of the box stretched to hold m   (an arm outside the box may only come back)
//
// A projection onto a convex set never moves two points apart, so the result keeps the step limit, lies in
// the stretched box, and is within MaxSpeed dt of the previous command's own image under the last two steps.
// Where the limits contradict each other (the arm was pushed far from the last command) the measured pose
// wins. The rotation is treated alike on SO(3): Gram-Schmidt, then slerp to within MaxTurnRate dt of the
// previous command, then to within MaxTurn of the measured rotation. A 6D rotation with a zero or parallel
// row has no Gram-Schmidt; the measured rotation takes its place. The gripper is clamped to [-1, 1].
package shield
