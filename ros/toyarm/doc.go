// Package toyarm is a sim.Env without physics, for tests of the ROS nodes: a Panda whose joints follow the target by
// the transposed Jacobian, and parts that move chaotically with the tool, so that the least difference in a command or
// an observation grows until an episode is another one.
package toyarm
