// Package node is a ROS 1 node fit for control: goroslib behind a wall. It is the only package that imports goroslib,
// whose defaults are not:
//
//   - Open retries until the master is there, with short timeouts; goroslib asks once, for up to 10 s.
//   - The master is polled (1 Hz). When it is lost the owner is told, so that it can hold; when it is back, or has
//     forgotten the node, every publisher, subscriber and service is made anew. goroslib never registers again.
//   - A second node of the same name makes this one fail with ErrReplaced; goroslib's writes would vanish silently.
//   - Names come resolved from package names; goroslib's own handling of arguments and ROS_NAMESPACE is switched off.
//   - The node's own API refuses web pages and what is too large, and asks the master which publishers a topic has; goroslib
//     believes whoever tells it. Close takes milliseconds; goroslib's would wait 5 s for connections.
//   - Now is the graph's time (/use_sim_time, /clock); Logger logs to /rosout too, and never blocks.
//   - Parameters of every type are read through package xmlrpc; goroslib knows scalars only.
//
// Callbacks run on the connection's goroutine: they must only store (see Latest). A message that was written must not
// be changed afterwards, because it is serialised later.
package node
