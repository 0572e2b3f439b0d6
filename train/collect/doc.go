// Package collect records demonstrations: it runs a policy (the scripted
// expert) in simulators and hands the successful episodes on, one after the
// other, in the order of their index. With a Recovery another policy acts first,
// and only what the expert does after it took over is kept.
//
// Episode k draws everything from the stream (seed, "collect", k): the seed of
// the environment, the seed of the policy and the execution noise. The first N
// successes in the order of k are kept, so the result does not depend on the
// number of workers or on which of them was fast.
//
// # Execution noise
//
// With noise sigma the robot is told to go to p + e_p and to turn to
// exp(e_r) R instead, e_p ~ N(0, sigma^2 I) in metres and e_r ~ N(0, (5 sigma)^2 I)
// in radians, both in the base frame, fresh at every step. The label stays what
// the demonstrator meant. Its next actions then correct the disturbance, which
// is what imitation needs to see (DART: Laskey et al. 2017, arXiv 1703.09327).
package collect
