// Package replay keeps the experience that off-policy learning samples from.
//
// A Buffer is a ring of frames, one per control step: the network input x_t
// (observation, features and base action; the base action is stored, never
// recomputed) and the executed normalised action u_t. A frame turns into a
// transition once its n-step return is known:
//
//	R_t = sum_{k<m} gamma^k reward_{t+k},  y = R_t + discount_t * Q(x_{boot(t)}, .)
//
// with m = n, or fewer steps at the end of an episode. The discount is gamma^m,
// also when the time limit cut the episode (truncated is not terminal), and 0
// after a terminal state. Frames link to their successors by index, so an
// observation is stored once however many transitions refer to it. Successors
// are always younger than the frame that refers to them, so the ring
// overwrites the reference before it overwrites what is referred to.
//
// n-step returns off policy: Hessel et al. 2018 (arXiv 1710.02298); mixing
// demonstrations into the batch: RLPD, Ball et al. 2023 (arXiv 2302.02948).
package replay
