// Package simnode serves a sim.Env as a robot over ROS: the topics, services and gripper actions of a Franka arm with
// a part tracker, so that the control node cannot tell the simulator from the machine.
//
//	pub  /franka_state_controller/franka_states  franka_msgs/FrankaState
//	     /franka_gripper/joint_states, /joint_states  sensor_msgs/JointState
//	     /furniture/parts_poses  geometry_msgs/PoseArray, tag frame
//	     /furniture/part_names  std_msgs/String, latched: the order of parts_poses, comma-separated
//	     /tf  tf2_msgs/TFMessage: arm, hand, fingers, furniture/NAME of each part; /tf_static: the tag
//	     ~state  korr_msgs/SimState, latched; /clock
//	sub  /cartesian_impedance_example_controller/equilibrium_pose  geometry_msgs/PoseStamped
//	act  /franka_gripper/{grasp,move,homing,stop}, /franka_control/error_recovery
//	srv  ~reset korr_msgs/Reset, ~step korr_msgs/Step, ~pause std_srvs/SetBool, ~perturb korr_msgs/Perturb
//
// FrankaState is that of franka_ros 0.9 and later. 0.8 lacks O_ddP_O and five errors, 0.7 also F_T_NE and NE_T_EE:
// their MD5 sums are others, and a node built with them is refused when it connects.
//
// # Real time
//
// A control step (10 Hz) is taken in physics slices of 10 ms, each on its own time of the wall clock (see realTime):
// nothing is interpolated. The newest pose is followed from the next slice on. /clock comes with every slice (100 Hz),
// the robot's messages at Config.Hz (50 Hz); a message bears the time of the slice whose state it tells. A simulation
// that cannot keep up skips time and says so. Rewards and the end of an episode are judged at the control steps. An
// environment that is no Slicer is published at its control rate instead.
//
// # Injections
//
// ~perturb pushes and displaces parts, and breaks messages on their way out: noise, delay, loss, a stuck publisher,
// wrong stamps, clock jumps, NaN, wrong lengths and orders, robot modes; see Perturb.srv. They outlive a reset, so that
// an evaluation can run under them. In lock step those that would stop it for good are refused.
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
