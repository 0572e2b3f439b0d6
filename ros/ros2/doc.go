// Package ros2 is a ROS 2 node fit for control, over package dds: topics, services and actions with ROS 2's names and
// types, as rmw_cyclonedds_cpp lays them on DDS. The messages are package msgs' structs in the form that package rosidl
// gives them.
//
//	topic NAME          rt/NAME                       package::msg::dds_::Type_
//	service NAME        rq/NAMERequest, rr/NAMEReply  package::srv::dds_::Type_Request_, ..._Response_
//	action NAME         services NAME/_action/{send_goal,cancel_goal,get_result}, topics .../feedback, .../status
//
// A service's messages begin with the client's number and a sequence number (two 64-bit integers); that is Cyclone's
// mapping, which other vendors do not speak: for services and actions the other side runs
// RMW_IMPLEMENTATION=rmw_cyclonedds_cpp. Topics work with every vendor.
//
// Endpoints carry their type's hash, and the node announces itself on ros_discovery_info, so `ros2 node info` shows it.
// A gid there has 16 bytes, or 24 where ROS_DISTRO=humble.
//
// # Quality of service
//
// Profile names what a topic is for, and with that its QoS. What must not be missed for a policy that does not match,
// operators' buttons and latched topics, is read by two readers, a strict and a lenient one: a message may come twice.
// The policy by which somebody did not match is told by name (Config.OnPolicy).
//
// # Callbacks
//
// Callbacks of topics run on one goroutine of the node and must only store. Services run on a goroutine each.
package ros2
