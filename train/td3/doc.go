// Package td3 trains the residual of a frozen base policy by off-policy
// reinforcement learning.
//
// The residual r in [-1, 1] corrects the normalised base action, u = u_b + alpha r.
// An ensemble of critics values the executed action,
//
//	Q_k(x, r),  x = [observation, features, u_b, u_b - ee, phase, details, look-ahead]
//	y = clip(R + discount * min(Q'_i, Q'_j)(x', clip(pi(x') + clip(noise)))),  loss_k = mean (Q_k - y)^2
//
// with n-step returns R (package replay), a random pair i, j of the targets Q', which
// follow by Polyak averaging, and layer normalisation in the critics. The actor minimises
//
//	-mean Q(x, pi(x)) + penalty * mean pi(x)^2
//
// with the ensemble's mean Q, or the first of two.
//
// Value expansion moves x' by what the Koopman model says of the difference between the
// window's stored actions and the present actor's (see expansion). What x holds of the observation is
// the encoder's focus: all of it, or the robot's state alone. A milestone's reward, for
// engaging the first thread of an episode, or one for every stage of every pair
// (episodes.StageRules), can join the sparse one.
//
// ResiP's actor reads x, r = tanh(MLP(x)), and so does KORR's where it looks ahead, with
// the look-ahead or, CriticOnly, without it: while a chunk is executed open loop the value
// of a state depends on the rest of it, and actors that read it too were not better.
// A published KORR's actor reads the predicted latent state
// alone, r = tanh(MLP(A phi(o) + B u_b)); the gradient flows on into phi, A and B,
// which also minimise the prediction loss of the executed action,
// weight * |A phi(o) + B u - phi(o')|^2, and A is kept within its spectral bound.
//
// The schedule: the base action with noise fills the buffer; the critics learn
// from CriticStart on, the actor from ActorStart on (an actor that learns from
// a raw critic exploits its errors and falls below the base). Exploration noise
// is autocorrelated, a_t = rho a_{t-1} + sqrt(1-rho^2) e_t. Half of every batch
// comes from demonstrations, with the base policy rolled along them. Over the last
// LRDecay of the run the learning rates fall to zero, so that its last policy is the
// one to keep.
//
// Learner updates overlap the simulation when asked to. They read a buffer that
// nothing writes meanwhile, so a run is a function of its seed and configuration
// whatever the number of threads; a resumed run equals the uninterrupted one
// bit for bit, because the episodes that were under way are simulated again
// from their seeds and actions.
//
// Sources: TD3, Fujimoto et al. 2018 (arXiv 1802.09477); asymmetric actor-critic, Pinto
// et al. 2017 (1710.06542); REDQ, Chen et al. 2021 (2101.05982); RLPD, Ball et al. 2023 (2302.02948);
// model-based value expansion, Feinberg et al. 2018 (1803.00101); ResFiT, Ankile et al. 2025
// (2509.19301); KORR (2509.12562).
package td3
