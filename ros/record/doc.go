// Package record turns the messages of an arm with a part tracker into bags and back: simulated episodes into a bag
// with the topics that package simnode publishes, a teleoperated recording into time series, a flight record into a
// bag.
//
// # Topics of a simulated recording
//
//	/furniture/part_names, /korr/recording                     std_msgs/String, latched: order of the parts; origin, JSON
//	/franka_state_controller/franka_states                     franka_msgs/FrankaState
//	/franka_gripper/joint_states, /joint_states                sensor_msgs/JointState
//	/furniture/parts_poses                                     geometry_msgs/PoseArray, tag frame
//	/korr_sim/state                                            korr_msgs/SimState: seed, step, reward, end
//	/clock                                                     rosgraph_msgs/Clock
//	/cartesian_impedance_example_controller/equilibrium_pose   geometry_msgs/PoseStamped: stamped as the observation it answers
//	/franka_gripper/grasp/goal, /franka_gripper/move/goal      on a change, before the pose
//
// Everything is stamped in simulated time, which advances by one control period with every observation and never runs
// backwards: what a lock-step control node would have heard and said.
//
// # Reading
//
// Read takes any bag that has the arm's state, the gripper's joints, the parts and the commanded poses, under whatever
// topics. Stamps are those of the messages' headers; a message without one counts by the time it was recorded at.
package record
