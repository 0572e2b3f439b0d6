// Package disturb puts imperfect sensors between an environment and what acts on it. The arm's own sensors and the part
// tracker are two channels, each with noise, delay and dropout; all of it is off by default.
//
// At control step t a channel shows
//
//	m_t = x_t + n_t                       the measurement, with Gaussian noise of its own
//	s_t = m_(t-delay), or s_(t-1)         what has arrived by now, or, on a dropout, what was shown before
//
// A rotation is measured as R exp(n), n a rotation vector in the body's own frame. Until a delayed channel's first measurement
// arrives it shows the one of the reset. The robot drops out as a whole, the tracker loses each part on its own; nothing is
// lost at the reset. Rewards, success and the engine's controller see the true state.
//
// The noise comes from streams (episode seed, "sim/disturb", index), one for the noise and one for the dropouts of each
// channel: a replayed episode is bit-identical, and switching one disturbance on leaves the others' numbers as they were.
package disturb
