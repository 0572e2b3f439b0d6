// Package panda is the forward kinematics of the Franka Emika Panda (and FR3) arm with its hand, from the published
// modified Denavit-Hartenberg parameters: frame i follows from frame i-1 by
//
//	T = Rx(alpha) Tx(a) Rz(q) Tz(d)
//
// The end effector is the tool point between the finger tips: 0.107 m from joint 7 to the flange, then 0.1034 m along
// the same axis, the hand yawed by -45 degrees. That is libfranka's O_T_EE with the hand configured.
//
// Source: Franka Control Interface documentation, "Denavit-Hartenberg parameters".
package panda
