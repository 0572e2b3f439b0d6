// Package verify compares this build with reference numbers.
//
// A folder of references holds safetensors files by fixed names, each with
// inputs, weights and the outputs that the published PyTorch modules (and
// torch.optim) compute from them:
//
//	korr, korr_goal, resip, resip_dynamics   networks, PPO and model losses, gradients, three AdamW steps
//	lqr                                      finite-horizon gains, regulation and tracking
//	gae                                      advantages, returns, normalised rewards
//	geometry                                 rotations and robot states
//	unet                                     the diffusion denoiser: output, loss, gradients
//	diffusion                                noise schedule, noising, DDIM trajectories of that denoiser
//	cache_speca, cache_bac                   the rules of caches
//	carp_tokenizer, carp_ar                  CARP: words, logits, losses, gradients, decoding
//	moe_router                               the layer of routed experts
//	published_layout_actor_chkpt.pt          a PyTorch checkpoint: imported, exported, every tensor compared
//	published_layout_expected                the actions of that policy in a controller, from raw observations
//
// Every size is read off the tensors. The numbers compared come from the code that trains and acts: train/ppo, koopman,
// internal/nn, residual, basepolicy and its packages, train/published and internal/geom. A tensor's error is the
// largest absolute difference over its largest absolute value; Forward, Gradient, Change and Action bound it. Where the
// reference's single precision is coarser than that (a loss whose terms cancel, a rotation vector's small part) its
// rounding is allowed for, no more.
//
// Every tensor of a file must be an input or an output that was compared: an
// unknown one is a failed check.
package verify
