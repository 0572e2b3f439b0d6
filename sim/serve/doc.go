// Package serve offers environments over Unix and TCP sockets, so that a learner in another process, or in another
// language, trains against the simulator. A connection owns one environment or a batch of them; connections share
// nothing.
//
// docs/simulator-protocol.md describes the protocol, which this package implements on both sides: Server, and Client,
// which is a sim.Env. examples/python holds a client for Gymnasium.
//
// What a client sends is not trusted. A frame that cannot be right ends its connection with an error frame; a message
// of the wrong size or at the wrong time is answered with one and the connection goes on; an action that is not finite
// ends the episode of its environment alone. The protocol has no authentication: Listen binds TCP to the loopback
// interface unless the address names a host.
package serve
