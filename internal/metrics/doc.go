// Package metrics serves numbers of a running program to Prometheus, from a registry of its own and, unless it is told
// otherwise, to this machine only.
//
// A server on the loopback interface answers requests that name it localhost or a loopback address: a page in a browser
// whose own name resolves here is refused. On any other address every request must carry the token (Authorization:
// Bearer TOKEN), and there is no server without one. Nothing is encrypted: put a proxy with TLS in front of it on a
// network that others use.
package metrics
