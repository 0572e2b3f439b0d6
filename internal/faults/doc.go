// Package faults breaks a control node on purpose and measures what it does: the matrix of docs/faults.md.
//
// A world is a master (the embedded one, or Debian's rosmaster), a toy arm served by package simnode in a process of its
// own, the control node under test (korr run) in another, and a watcher in this one. A trial waits until the arm is
// commanded, strikes, and takes the time until the node says HOLD or FAULT, by the time stamp of the node's own log. It
// then looks for six periods at what is sent, heals, and waits until the arm is commanded again.
//
// Every pose that the node ever publishes is judged by code of this package's own: either it answers an observation,
// and is then finite, inside the workspace, and near enough to where the arm truly was (its frames, into which nothing is
// injected) and to the pose before; or it is where the arm truly was, as a hold sends it.
//
// # Time
//
// Times are in control periods. A machine that does not let processes run on time disturbs the measurement: a trial that
// misses the bound while this process's own timer was late by more than a tenth of a period is repeated, and counted in
// Row.Repeated. The bound itself is never widened.
package faults
