// Package robot is an arm with a part tracker behind loop.Robot: the control node's side of the topics of package msgs,
// over ROS 1, ROS 2 or a rosbridge server (package transport). Real arms and package simnode look the same to it.
//
// # Observation
//
// Callbacks store the newest message of each topic and nothing else; one that was overtaken on its way is dropped. Read
// assembles: position, rotation and twist of the tool, the gripper's width, the parts in the policy's order. A Franka
// arm's come from O_T_EE, J(q) dq (package panda) or O_dP_EE_d, and the finger joints; those of an arm that an ArmFile
// describes from its joint states by package chain. The sample's stamp is the oldest of its messages', so that its age
// is that of its oldest part.
//
// # Command
//
// Write hands the newest command over to a goroutine that publishes it: to a Franka arm a pose whose header bears the
// stamp of the observation it answers, to another one point of a joint trajectory within the limits of every joint. The
// gripper is commanded on a change only (sim.GripperDeadBand). Hold publishes the measured pose once and drops what the
// gripper was asked and did not acknowledge; then nothing is sent until the next Write. A passive robot has no
// publishers of commands at all.
//
// # What stops the loop
//
// A Supervisor (loop.Loop) is told to fault by ~estop and by the arm's mode (REFLEX, USER_STOPPED), and to hold when
// the master or server is lost, a publisher of a Franka's state or parts, or its commands' listener, is gone, a part is
// lost, a state has two publishers, the dead-man (~deadman, if required) is silent (0.3 s at most), /clock jumps or
// stands still, or the gripper does not answer. What lasts (condition) blocks the loop, and ~enable is refused. Read
// fails when a message tells what cannot be (package plausible), when the tracker names other parts or changes their
// order, and when parts change places at once; for good, when another node took this node's name. A command goes out
// with a permit (loop.Permit). Silence of the arm is the loop's own business: it holds after three periods. Serve keeps
// a fault until ~reset_fault; ~recover alone sends the arm's error_recovery.
//
// # Reports
//
// ~status at 10 Hz, ~action for every tick, /diagnostics at 1 Hz, from a goroutine of their own.
//
// # Lock step
//
// A sample is complete when the arm, gripper, parts and ~state messages of one stamp are there; Wait returns then.
// Together with the simulator's side (see package simnode) every observation is answered exactly once, in order.
package robot
