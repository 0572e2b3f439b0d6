// Package robot is a Franka arm with a part tracker behind loop.Robot, over ROS: the control node's side of the
// topics of package msgs. Real arms and package simnode look the same to it.
//
// # Observation
//
// Callbacks store the newest message of each topic and nothing else. Read assembles: position and rotation from O_T_EE,
// the twist as J(q) dq (package panda) or as reported, the width as the sum of the finger joints, the parts in the
// policy's order. The sample's stamp is the oldest of its three messages', so that its age is that of its oldest part.
//
// # Command
//
// Write hands the newest command over to a goroutine that publishes it as a pose whose header bears the stamp of the
// observation it answers. The gripper is commanded on a change only (sim.GripperDeadBand), as a goal that is repeated
// until it is acknowledged. Hold publishes the measured pose once; then nothing is sent until the next Write.
//
// # What stops the loop
//
// A Supervisor (loop.Loop) is told to fault by ~estop and by the arm's mode (REFLEX, USER_STOPPED), and to hold when
// the master is lost, the dead-man (~deadman, if required) stays silent for 0.3 s, or the gripper does not answer.
// ~enable arms it. Read fails, for good, when another node took this node's name. Silence of the arm is the loop's
// own business: it holds after three periods.
//
// # Lock step
//
// A sample is complete when the arm, gripper, parts and ~state messages of one stamp are there; Wait returns then.
// Together with the simulator's side (see package simnode) every observation is answered exactly once, in order.
package robot
