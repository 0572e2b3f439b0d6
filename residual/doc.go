// Package residual refines the actions of a frozen base policy with a small learned correction, at every
// control step (KORR, arXiv 2509.12562, and its baseline ResiP).
//
// # One control step (Tick)
//
// Raw observation o_raw [D0] in, raw action [U] out; everything between is normalised:
//
//	observe      o_raw must be finite
//	estimate     o: what an Estimator makes of o_raw and the last command, or o_raw itself
//	             x_o = [clamp(minmax(o), -3, 3), features(o)]             Encoder.EncodeTo, width D
//	             z = phi(x_o) of a Koopman model, and the innovation rms(z - z^), z^ being what the last step predicted
//	base action  u_b: the base policy gives one action of its chunk       basepolicy.Planner, reads the beginning of x_o
//	predict      z' = A z + B u_b, or what a look-ahead reads of z' for steps k of the rest of the chunk
//	residual     r = tanh(pi(.)), of one of three inputs (Reads):
//	               plain   x = [x_o, u_b, clip((m - ee)/0.02, -2, 2), phase, details]
//	               latent  z'
//	               ahead   x and C z'(k), or where the chunk commands the tool to be
//	compose      u = u_b + alpha r, denormalised
//
// m is the position that u_b commands and ee the measured one (m), phase the position in the chunk. A focused actor
// (Focus) reads of x_o the robot's state and the features alone, and the features' details. A bilinear model predicts
// z' = (A + g N) z + B u_b (see koopman).
//
// A base action that is not finite is an error: there is nothing to fall back to. A residual that is not finite becomes
// zero, so that the base acts alone, and is counted. Later, off the critical path, Executed is told the command that
// was really sent (the shield may have changed it), and z^ = A z + B u is computed for the next step.
//
// A Controller is a Tick with a trained network. Trainers run the same Tick with a residual of their own.
//
// No step allocates. A Controller keeps scratch of its own and is for one goroutine; Encoder, the networks
// and the checkpoint (Policy) are shared.
//
// Sub-package shield limits a command before it is sent, sub-package loop runs a tick at a fixed rate.
package residual
