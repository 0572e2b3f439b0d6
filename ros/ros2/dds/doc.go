// Package dds is the one room of Cyclone DDS, the middleware that ROS 2 itself runs on (rmw_cyclonedds_cpp). Samples
// are bytes that are serialised already, types are names: what they mean is package rosidl's and package ros2's
// business.
//
// It needs the build tag ros2 and the library's headers (Debian's cyclonedds-dev, or a ROS installation's own by
// CGO_CFLAGS and CGO_LDFLAGS). Without the tag Open returns ErrAbsent, which says so, and nothing of C is linked.
//
// One goroutine of a Participant waits for everything that happens (a DDS wait set) and calls the functions that its
// readers and writers were given, one after the other; they must not block. Nothing calls from C into Go. Cyclone's own
// configuration (CYCLONEDDS_URI) holds; Config adds to it what ROS 2 says by ROS_LOCALHOST_ONLY and ROS_STATIC_PEERS.
//
// Sources: OMG DDS 1.4; the headers of Cyclone DDS 0.10 (ddsi_sertype.h, ddsi_serdata.h).
package dds
