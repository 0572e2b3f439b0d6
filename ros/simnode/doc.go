// Package simnode serves a sim.Env as a robot over ROS: the topics, services and gripper actions of a Franka arm with
// a part tracker, so that the control node cannot tell the simulator from the machine.
//
//	pub  /franka_state_controller/franka_states  franka_msgs/FrankaState
//	     /franka_gripper/joint_states, /joint_states  sensor_msgs/JointState
//	     /furniture/parts_poses  geometry_msgs/PoseArray, tag frame
//	     /furniture/part_names  std_msgs/String, latched: the order of parts_poses, comma-separated
//	     ~state  korr_msgs/SimState, latched; /clock
//	sub  /cartesian_impedance_example_controller/equilibrium_pose  geometry_msgs/PoseStamped
//	act  /franka_gripper/{grasp,move,homing,stop}
//	srv  ~reset korr_msgs/Reset, ~step korr_msgs/Step, ~pause std_srvs/SetBool
//
// # Real time
//
// One control step per period of the wall clock (10 Hz), toward the newest pose received since the reset; stamps are
// the wall clock's.
//
// # Lock step
//
// Simulated time: it advances by one period with every observation and never runs backwards, also not on a reset. All
// messages of one observation bear the same stamp. The simulator takes exactly one step when it receives the pose
// whose header bears the stamp of the newest observation, and ignores every other pose. What is lost while
// connections are made is repeated: an observation that is not answered within Config.Resend is published again,
// unchanged, and whoever receives it again answers again. The episode therefore does not depend on time at all.
//
// A gripper goal is acted on by the step after its acknowledgement, so a controller that waits for the acknowledgement
// before it sends the pose is deterministic too.
//
// # Exactness
//
// Everything the observation is made of crosses the wire as float64 (see ArmState), and the target pose comes back as
// float64 (see PoseStepper). An Env that implements both, and whose float32 observation is the plain rounding of its
// arm state, gives the same episode over ROS as in process, bit for bit. The twist travels as O_dP_EE_d, which a real
// arm does not measure.
package simnode
