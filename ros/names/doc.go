// Package names resolves ROS graph names and reads what roslaunch and the environment tell a node: its name and
// namespace, the master, the address to be reached at, remappings and private parameters.
//
// Sources: the ROS wiki's Names, Remapping Arguments and Environment Variables pages.
package names
