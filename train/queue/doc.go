// Package queue does units (package unit) on any number of machines. NATS JetStream is the engine; this package is its
// one room. It keeps
//
//	stream korr-units          a message for each unit that is to be done, subject korr.units.LANE.ID: a work queue
//	bucket korr-state          ID -> State: whose the unit is, how often it was begun, its checkpoint, its result
//	bucket korr-after          DEPENDENCY.ID -> the unit, until what it reads is made
//	bucket korr-jobs           what was submitted; the list of its units is an object
//	bucket korr-workers        who is there, for a few leases
//	objects korr-blobs         inputs and outputs, named by the SHA-256 of their content
//	objects korr-checkpoints   the folder of a unit under way, one object a unit
//
// # Nothing lost
//
// A message is acknowledged when the unit's result is stored and the units that waited for it are queued; until then
// JetStream delivers it again, after a lease that its worker keeps extending. Who takes a unit over goes on from its
// last checkpoint. A unit that fails, or takes its worker down, three times without getting further is parked with its
// error; submitting it again gives it three more tries.
//
// # Nothing twice
//
// A lease is no fence: a worker that was paused may come back and finish after another took over. A claim therefore
// raises the unit's epoch in its State, by compare-and-set on the revision, and everything that a worker writes about
// the unit afterwards (checkpoint, failure, result) is a compare-and-set on the revision that it wrote last. The worker
// that was paused finds another revision, and drops what it did. Units are named by what they do, so submitting twice
// queues nothing twice: results are looked up first, and the stream refuses a second message of one subject.
//
// # Same bits
//
// A unit is queued in the lane of its submitter's platform (unit.Platform), and a worker takes units of its own lane
// only: same program, same physics, same arithmetic. Units never name files of the machine that does them; the inputs
// travel by content, are checked against their digest on arrival, and are kept in the worker's cache.
package queue
