// Package ppo trains residual policies by proximal policy optimisation
// (Schulman et al. 2017, arXiv 1707.06347), with the losses, names and
// defaults of the published system (KORR, arXiv 2509.12562; ResiP, arXiv
// 2407.16677) in the layout of cleanrl's ppo_continuous_action.
//
// The policy is a Gaussian over the residual with mean mu(x) and a fixed
// log-std; x = [o, u_b, ...] is the encoded observation, the base action and
// what else the actor may read. The executed action is u = u_b + alpha r. For a
// mini-batch of n steps with A the advantages, normalised by their mean and
// standard deviation (n-1),
//
//	L = mean max(-A ratio, -A clip(ratio, 1 - clip_coef, 1 + clip_coef))
//	  + vf_coef  mean 0.5 (V(x) - R)^2
//	  - ent_coef entropy
//	  + model_coef mean (dynamics(o, u) - target(o'))^2,   ratio = pi(r|x) / pi_old(r|x)
//
// where the last term runs over the pairs (o, u, o') that stay inside one
// episode and belongs to the actors that have a model: the Koopman model, or
// the nonlinear network in its place. Gradients of the whole flow into the model
// too, are clipped jointly with the critic's, and AdamW applies them with a
// rate for the actor and one for the critic. Updates stop early when
// approx_kl = mean((ratio - 1) - log ratio) exceeds target_kl.
//
// Three published variants read something else: KORR [z', phi(goal)], ResiP
// [x, goal] and, with nonlinear dynamics, f(o, u_b). Their policies are stored
// as plain ones with what is constant or linear multiplied out.
package ppo
