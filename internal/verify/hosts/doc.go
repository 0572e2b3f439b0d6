// Package hosts tries ROS 2 between two hosts: two network namespaces that a virtual cable joins, so that discovery,
// multicast and lost packets are those of a network. In the first are the nodes of this program (package ros2); in the
// second its peers, programs of other hands: Cyclone DDS in C with types that its own compiler made, Fast DDS in C++,
// and Cyclone's ddsperf. They are compiled at run time (folder peers); what cannot be is a missing row, not a passed
// one.
//
// Run starts the first host as a process of its own in a namespace, which runs Rows. Packets are lost by nftables where
// they arrive, on both sides, and counted.
package hosts
