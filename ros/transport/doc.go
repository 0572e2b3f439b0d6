// Package transport is the way to topics, services and actions, whichever it is: a ROS 1 node (package node), a ROS 2
// node (package ros2), or a rosbridge server (package rosbridge). The control node and the simulator are written once,
// over it; which of the three a Link is shows in this package only.
//
// Names and messages are ROS 1's; where ROS 2 has others (Franka's state, an action's two names) they are translated
// here.
package transport
