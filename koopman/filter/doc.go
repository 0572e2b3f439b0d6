// Package filter estimates where the parts of a task are now, from poses that a tracker sends late, with noise and
// with gaps.
//
// The arm is known and fresh: it measures itself. The pose X = (p, R) of every part is estimated, with an error
// e = (d, phi) in the part's own frame: the true pose is (p + R d, R exp(phi)), d in metres, phi a rotation vector in
// radians. A rigid motion of the part, at rest or in the hand, leaves e as it is, so the covariance P [6, 6] only grows
// by the model's own error and nothing is linearised (the left-invariant error of Barrau and Bonnabel 2017, IEEE Trans.
// Autom. Control 62).
//
// # A control step
//
//	predict   X' = f(X, arm before, arm after, command)      P' = P + Q(mode)        Model
//	correct   e = z - X as above,  K = P (P + R)^-1,  X <- X + K e,  P <- (1 - K) P
//
// Q is the covariance of the model's one-step error, fitted per part and mode (see Fit). R is the tracker's noise,
// either configured or estimated from parts at rest. The gains follow the Riccati recursion, whose limit at a steady
// rate is the steady-state Kalman gain; the recursion also has the right gain at the start, after a gap and after a
// push.
//
// # Late poses
//
// A ring keeps, for every control step, the arm, the command and each part's prediction. A pose stamped t - a
// corrects the prediction of then, and the steps since are predicted again with the arm as it was measured and the
// commands as they were executed. The result equals a filter that had seen every pose in time and in order. Between
// two steps the prediction is interpolated.
//
// # Pushes
//
// An innovation whose Mahalanobis distance exceeds the gate does not correct: one of them may be an outlier. When the
// next pose agrees with it and not with the prediction, the part was pushed or slipped, and the new pose replaces the
// estimate (gain 1).
//
// # Models
//
// Kinematic moves a part with the hand that holds it. Learned adds to the kinematic rule an increment that is linear
// in lifted coordinates, with one matrix for each mode (see Learned): the bilinear, mode-gated Koopman model
// z' = (A + sum g_m N_m) z + (B + sum g_m B_m) u of a state-inclusive lift, written for the coordinates that are poses.
//
// Positions are in metres and rotations in radians, poses in one common frame (the arm's base). Time is counted in
// control steps, so that Q is per step. Nothing allocates after New. A Bank is for one goroutine.
package filter
