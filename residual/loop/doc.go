// Package loop drives a robot with a policy at a fixed rate and stops it when anything is wrong.
//
// # One tick
//
// The loop runs in the caller's goroutine and starts none. It wakes at next += period on the monotonic
// clock and does, in this order:
//
//  1. Inputs. A pending emergency stop faults. Enable and RequestHold are looked at.
//  2. Robot.Read copies the newest sample. A value that is not finite, or a wrong length, faults.
//  3. Age. The sample is stale when the stamp of any of its sources is MaxAge (3 periods) old, or when one has not
//     come for as long by the monotonic clock (which catches a stamp clock that stands still or jumps);
//     it is refused when one is stamped further in the future than FutureTolerance.
//  4. The state machine (below) decides whether this tick may move the robot. Whole periods that the
//     wake-up came late by count as missed first, so that a process that was paused holds before it acts.
//  5. Config.Tracking: an arm that stays behind its command, or leaps, faults. Stepper.StepTo turns the
//     raw observation into a raw command. An error or a panic faults.
//  6. shield.Limits.ApplyTo makes the command finite, reachable and rate limited.
//  7. Robot.Write, if the tick's Permit has not lapsed: by age, judged now, or because something since the tick began
//     forbids to move. Then the state machine decides anew. The robot takes the permit right before it sends. A command
//     that is not out by the next tick is withdrawn: it never goes out, and step 6 counts from the one before it.
//  8. Off the critical path: Stepper.Executed learns what was really sent, the flight recorder and the
//     latency histogram are updated, OnTick is called.
//  9. Deadlines. If the next release has already passed, that is a miss; whole periods that were slept
//     through are dropped, never caught up in a burst.
//
// Between two ticks the loop wakes when a hold is requested and when the newest sample turns too old; a tick that comes
// early in this way may hold, and never moves.
//
// Nothing in steps 1 to 9 allocates, locks or logs.
//
// # States
//
//	INIT   no usable observation yet
//	READY  observations are fresh; the loop is silent: not enabled, or the first chunk is being planned
//	RUN    one command per tick
//	HOLD   Robot.Hold was called once on entering; silent since
//	FAULT  Robot.Hold was called, the flight recorder dumped, Run returned; only Reset leaves it
//
// Block forbids RUN for as long as it lasts; a loop that never moved waits for its end, one that did holds.
//
// HOLD is entered for a stale or future-stamped observation, MaxMisses deadlines missed in a row, a chunk
// that is late (basepolicy.ErrLate), and RequestHold (dead-man released, master lost). It is left by
// Enable(true) once a fresh sample is there; for observations and late chunks alone also by itself, if
// Config.Resume allows it. Entering RUN always calls Stepper.Replan first, so that no chunk planned before
// the pause is executed after it.
//
// FAULT is entered for everything else: a value that is not finite, an emergency stop, an error of the
// robot or of the policy, a panic. Every cause is an error type of its own that carries the last ticks.
//
// # Lock step
//
// With Config.LockStep the same tick is driven by each new Seq instead of the clock: the loop blocks in
// Robot.Wait, ages are zero by construction, and there are no deadlines. A simulation then runs as fast
// as it can and gives the same commands on every run.
//
// The shape follows libfranka's control loop (filter, limit, check finite, send; errors carry the last
// states) and the fixed-rate scheduling of ros2_control.
package loop
