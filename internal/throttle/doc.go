// Package throttle bounds what a log takes of events that others cause. A peer that sends nonsense ten thousand times a
// second must fill neither a disk nor the processor: of every message at most a few records a second pass, the next one
// tells how many did not, and texts that came from outside are cut.
package throttle
