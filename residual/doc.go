// Package residual refines the actions of a frozen base policy with a small learned correction, at every
// control step (KORR, arXiv 2509.12562, and its baseline ResiP).
//
// # One tick of the Controller
//
// Raw observation o_raw [D0] in, raw action [U] out; everything between is normalised:
//
//  1. Check that o_raw is finite; refuse it otherwise.
//  2. x_o = [clamp(minmax(o_raw), -3, 3), features(o_raw)]          Encoder.EncodeTo, width D
//  3. u_b: the base policy pops one action of its chunk              BasePolicy.ActTo, reads x_o[:D0]
//     A base action that is not finite is an error: there is nothing to fall back to.
//  4. z = phi(x_o), z' = A z + B u_b                                 Predictor; of a part of x_o, if the model is of a part;
//     z' = (A + g N) z + B u_b if it is bilinear (see koopman)
//  5. innovation = rms(z - z^), z^ being the last tick's prediction with the action then executed
//  6. r = tanh(pi(z'))                                               KORR
//     r = tanh(pi([x_o, u_b, clip((m - ee)/0.02, -2, 2), phase]))    ResiP
//     with m the position that u_b commands and ee the measured one (m), phase the position in the chunk. A focused
//     actor (Focus) reads of x_o the robot's state and the features alone, and after the phase the features' details.
//     A KORR that looks ahead (Foresight) reads that too, and C z'(k) for some steps k of the base's remaining chunk,
//     unless the critics of its training read that alone.
//     A residual that is not finite becomes zero, so that the base acts alone, and is counted.
//  7. u = u_b + alpha r, denormalised.
//  8. Later, off the critical path, Executed is told the command that was really sent (the shield may
//     have changed it), and z^ = A z + B u for the next tick.
//
// No step allocates. A Controller keeps scratch of its own and is for one goroutine; Encoder, the networks
// and the checkpoint (Policy) are shared.
//
// Sub-package shield limits a command before it is sent, sub-package loop runs a tick at a fixed rate.
package residual
