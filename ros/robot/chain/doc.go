// Package chain is the kinematics of a serial arm that is described by configuration: a list of Denavit-Hartenberg
// parameters or a URDF.
//
// Every joint i has a fixed transform before it, B_i, a motion M_i(q_i) about or along an axis, and one after it, A_i:
//
//	T(q) = B_1 M_1(q_1) A_1 ... B_n M_n(q_n) A_n tool
//
// Inverse kinematics is damped least squares on the body's position and rotation error e = [p* - p; w log(R* R^T)],
//
//	q <- q + J^T (J J^T + lambda^2 I)^-1 e
//
// with the joints clamped to their limits in every step (Buss 2004, Introduction to Inverse Kinematics).
package chain
