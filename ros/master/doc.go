// Package master is a ROS 1 master and parameter server, so that a demonstration and the tests need no ROS
// installation. Nodes written with goroslib, rospy and roscpp and the ros* command-line tools can use it.
//
// It keeps the behaviour of rosmaster that clients rely on: replies are [code, message, value]; a node that registers
// under a taken name replaces the old one, which is told to shut down; publisher updates go out in order, each node's
// own queue, and only the newest list of a topic is sent; the status text of hasParam is the key.
//
// Sources: the Master, Parameter Server and Slave API pages of the ROS wiki.
package master
