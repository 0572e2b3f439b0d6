// Package disturb puts imperfect sensors between an environment and what acts on it. The arm's own sensors and the part
// tracker are two channels, each with noise, delay, jitter and dropout, and the hand may cover a part from the tracker.
// All of it is off by default; Profile names settings that policies are measured with.
//
// At control step t
//
//	m_t = x_t + n_t           is measured, with Gaussian noise of its own; it may be lost
//	a_t = t + delay + jitter  is when it arrives; jitter is uniform, drawn for each measurement
//
// and a channel shows the newest measurement that has arrived and was not lost. It never goes back to an older one. A
// rotation is measured as R exp(n), n a rotation vector in the body's own frame. Until a first measurement arrives a
// channel shows that of the reset, of which nothing is lost. The robot drops out as a whole, the tracker loses each
// part on its own. Rewards, success and the engine's controller see the true state.
//
// A tracker's stamps tell when it measured: AgesTo gives the age of what is shown, in control steps, for the robot and
// for each part.
//
// The noise comes from streams (episode seed, "sim/disturb", index), each kind of disturbance and each channel with its
// own: a replayed episode is bit-identical, and switching one disturbance on leaves the others' numbers as they were.
package disturb
