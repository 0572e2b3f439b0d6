// Package msgs declares the ROS messages, services and actions that korr speaks: the subset of std_msgs,
// geometry_msgs, sensor_msgs, actionlib_msgs, rosgraph_msgs and std_srvs it needs, Franka's (franka_msgs of franka_ros
// 0.9 and later, franka_gripper), and its own korr_msgs, whose .msg and .srv files lie in korr_msgs/ for other
// languages.
//
// A type's fields, their order and their names make its MD5 sum, by which ROS nodes agree on it: a test compares every
// one with the published sum.
//
// The ROS 2 form of the same structs comes from package rosidl; what exists in ROS 2 only is in ros2.go and franka2.go.
package msgs
