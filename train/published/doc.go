// Package published reads and writes what the authors of KORR (arXiv 2509.12562) and of ResiP (robust-rearrangement,
// arXiv
// 2407.16677) publish: PyTorch checkpoints and demonstrations in zarr directories.
//
// # Checkpoints
//
// A file of torch.save holds model_state_dict and config. The names in the state dictionary:
//
//	model.*                                          the diffusion UNet
//	normalizer.stats.{robot_state,parts_poses,action}.{min,max}
//	residual_policy.actor.lift_transform.*           phi                          KORR
//	residual_policy.actor.backbone._g_affine         A
//	residual_policy.actor.backbone._u_affine         B
//	residual_policy.actor.inverse_dynamics.*         pi on z', with a goal on [z', phi(o_goal)]
//	residual_policy.critic.backbone.*                critic
//	residual_policy.actor_mean.*                     pi on [o, u_b]               ResiP
//	residual_policy.actor_dyn.*                      f, with pi on f([o, u_b])    ResiP with nonlinear dynamics
//	residual_policy.critic.*                         critic
//
// Import makes a residual.Policy of every class, which acts alike. Two classes have no counterpart of their own and
// need none. The last layer of f and the first of pi have nothing between them, so their product is one layer: pi(f(x))
// is a plain ResiP network. The lift of a fixed goal is a constant input, so it goes into the first bias. ResiP's input
// here also has the lead of the base action and the phase of the chunk; a published network gives them the weight zero.
//
// Everything of the state dictionary that acting does not need (critic, log-std) is kept in the file under
// "published.", so that Export gives back what was imported.
//
// # Demonstrations
//
// ReadDemonstrations reads the published zarr layout (see demonstrations.go) into episodes of train/dataset.
package published
