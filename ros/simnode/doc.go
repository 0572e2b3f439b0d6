// Package simnode serves a sim.Env as a robot over ROS: the topics, services and gripper actions of a Franka arm with
// a part tracker, so that the control node cannot tell the simulator from the machine.
//
// # Exactness
//
// Everything the observation is made of crosses the wire as float64 (see ArmState), and the target pose comes back as
// float64 (see PoseStepper). An Env that implements both, and whose float32 observation is the plain rounding of its
// arm state, gives the same episode over ROS as in process, bit for bit.
package simnode
