// Package rosbridge reaches a ROS 2 (or ROS 1) system through the rosbridge v2 protocol: JSON over a websocket, as
// rosbridge_server speaks it (https://github.com/RobotWebTools/rosbridge_suite, ROSBRIDGE_PROTOCOL.md).
//
// A Client has topics and services like a node of package node: Advertise, Subscribe, Serve and Call take the same Go
// message types, whose fields are written under their ROS names. ROS 2 and ROS 1 differ in the names of types
// (pkg/msg/Type and pkg/Type), in stamps (sec, nanosec and secs, nsecs) and in Header.seq, which ROS 2 has not. JSON
// has no NaN: rosbridge writes null, and a null number is read as NaN, so that the control loop sees it.
//
// # What it uses of the protocol
//
// Sent: advertise, publish, subscribe, call_service, advertise_service, service_response; the server withdraws them
// when the connection ends. Read: publish, call_service, service_response, status. Fragments, PNG and CBOR are never
// asked for; a server that sends them anyway is not understood, and what is not understood is counted, reported at most
// once a second and dropped. So is a message that is malformed or longer than Config.MaxMessage (which also ends the
// connection).
//
// # When the connection is lost
//
// The connection counts as lost when it breaks, when nothing at all (also no answer to a ping) came for Config.Silence,
// and when what is to be sent does not leave in time. Config.OnUp is told, so that the control loop can hold. The
// client then dials again with growing pauses and registers everything anew. It never gives up by itself.
package rosbridge
