// Package bench measures speeds side by side. Every case of a comparison runs once in every round, in turn, so that a
// machine that slows down slows all of them; a result is the median over the rounds, and a ratio the median of the
// ratios within one round.
//
// Control, Training and Denoising measure the networks beside PyTorch, Simulator the environment beside the bare
// engine, and ROS a node's round trip beside rospy and roscpp. The peers' programs are in the folder peers.
package bench
