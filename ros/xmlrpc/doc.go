// Package xmlrpc is the XML-RPC dialect of ROS 1: calls, responses and faults with the value types that the master,
// the parameter server and rospy use. Input is bounded in size, depth and number of values, and anything malformed is
// refused; the ROS library's own reader is neither complete (no structs, no nil) nor reusable.
//
// Source: http://xmlrpc.com/spec.md and the ROS Master, Parameter Server and Slave APIs of the ROS wiki.
package xmlrpc
