// Package basepolicy holds the policies that imitate demonstrations and the
// parts every one of them shares: the min-max Normalizer that travels inside
// each checkpoint, and the Queue that turns a policy planning whole chunks
// into one that returns a single action per control step.
//
// A chunk policy reads the normalised observation o_t and fills H normalised
// actions a_t .. a_t+H-1. The Queue executes the first E of them open loop and
// then plans again (action chunking: Zhao et al. 2023, arXiv 2304.13705).
//
// Normalisation maps every dimension linearly to [-1, 1],
//
//	x_n = 2 (x - min) / (max - min) - 1,
//
// with min and max from the demonstrations; what hardly moved there keeps a range of at least a floor.
//
// MLP is chunked behaviour cloning: one network from o_t to the whole chunk, whose
// positions it says relative to the tool (Relative). Ensembled averages overlapping
// chunks. The sub-packages diffusion, carp and remote draw chunks by denoising, word
// by word, and in another process. Policy is what every kind has in common; a kind's
// package registers how its checkpoints are read.
package basepolicy
