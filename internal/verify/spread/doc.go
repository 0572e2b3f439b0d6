// Package spread does a sweep and an evaluation in one process each, and again by a queue's server, three workers and
// two submitters that are killed, paused and interrupted meanwhile, all of them processes of their own; the outcomes
// have to be equal byte for byte.
package spread
