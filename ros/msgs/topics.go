package msgs

// Names of the arm's and the tracker's topics and actions, before remapping: franka_ros's own, and ours for the parts.
const (
	StateTopic     = "/franka_state_controller/franka_states"                   // FrankaState
	FingerTopic    = "/franka_gripper/joint_states"                             // JointState
	JointTopic     = "/joint_states"                                            // JointState
	CommandTopic   = "/cartesian_impedance_example_controller/equilibrium_pose" // PoseStamped
	GripperAction  = "/franka_gripper/"                                         // + grasp, move, homing, stop
	PartsTopic     = "/furniture/parts_poses"                                   // PoseArray, tag frame
	PartNamesTopic = "/furniture/part_names"                                    // String, latched, comma-separated
	ClockTopic     = "/clock"                                                   // Clock
	SimNode        = "korr_sim"                                                 // usual name of the simulator
)
