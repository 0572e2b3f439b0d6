// Package realtime asks the operating system for what a control loop needs to keep time: its own thread on chosen
// cores, a real-time priority, memory that is not swapped out, and a garbage collector that runs seldom.
//
// Nothing here is required. A system that refuses is asked once, and the refusal is reported with what would grant it;
// the loop runs all the same, and its jitter tells the difference.
package realtime
