// Package foxglove shows a node's topics live to Foxglove, over its WebSocket protocol (sub-protocols foxglove.sdk.v1
// and foxglove.websocket.v1): what the node says and what it hears, in CDR with ROS 2's definitions (ros2msg), whichever
// ROS it is on. It only publishes: a client can subscribe and nothing else.
//
// A Server is a transport.Tap. What it is told it hands on without waiting, so a slow viewer costs the control loop
// nothing: a full queue drops messages and counts them. Every client has a queue of its own, bounded in messages and in
// bytes, and is told when it was too slow.
//
// On the loopback interface anybody on the machine may look; pages of other origins may not, but for Foxglove's own.
// Beyond it a token that the server draws is asked for, as part of the URL.
//
// Source: github.com/foxglove/ws-protocol, docs/spec.md.
package foxglove
