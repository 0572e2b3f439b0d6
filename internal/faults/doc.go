// Package faults breaks a control node on purpose and measures what it does: the matrix of docs/faults.md.
//
// A world is a master (the embedded one, or Debian's rosmaster), a toy arm served by package simnode in a process of
// its own, the control node under test (korr run) in another, and a watcher in this one. A trial waits until the arm is
// commanded, strikes, and takes the time until the node says HOLD or FAULT, by the time stamp of the node's own log. It
// then looks for six periods at what is sent, heals, and waits until the arm is commanded again.
//
// Every pose that the node ever publishes is judged by code of this package's own: either it answers an observation,
// and is then finite, inside the workspace, and near enough to where the arm truly was (its frames, into which nothing
// is injected) and to the pose before; or it is where the arm truly was, as a hold sends it.
//
// A trajectory does not tell which observation it answers. Its joints must be within their limits, and its point must
// put the tool inside the workspace and near enough to where the arm truly was at some time in the 0.6 s before.
//
// A command counts as sent in HOLD or FAULT by the tick that sent it (~action and the node's log number them alike), or
// when no tick tells of the pose that was seen; not by when it comes, because a machine that is busy delivers late what
// was sent before.
//
// # Time
//
// Times are in control periods. A machine that does not let processes run on time disturbs the measurement: a trial
// that misses the bound while this process's own timer was late by more than a tenth of a period is repeated, and
// counted in Row.Repeated. The bound itself is never widened.
package faults
