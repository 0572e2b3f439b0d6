// Package acting says how a trained base policy acts: how much of a chunk is executed, and what draws, saves and
// averages chunks. A checkpoint keeps what it was trained or calibrated with; the settings here replace that. A text of
// theirs is empty for the checkpoint's own or none for nothing, which is why even a rate is a text.
//
// Executing a part of a chunk and averaging overlapping ones: Zhao et al. 2023, arXiv 2304.13705
// (basepolicy.Ensembled). Samplers are those of basepolicy/diffusion, caches those of basepolicy/cache.
package acting
