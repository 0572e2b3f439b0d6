// Package carp is the coarse-to-fine autoregressive policy CARP (Gong et al. 2024, arXiv 2412.06782), KORR's second
// base policy.
//
// A Tokenizer writes each action dimension of a chunk of 16 as 1 + 2 + 3 + 4 words of a codebook: a convolutional
// encoder gives a latent of four positions, which the words approximate scale by scale, each scale for what the coarser
// ones left (quantiser). A decoder turns their sum into actions again. It is trained by
//
//	L = sum over dimensions of mse(decoded, chunk) + mean over scales of (beta mse(sum, stop) + mse(stop, sum)),
//
// with the decoder's gradient going straight through the words to the latent.
//
// A transformer (AR) predicts all words of a scale at once from the observation and the sum of the coarser scales. The
// tokens of a chunk run scale by scale, then along the horizon, then over the action dimensions; a token attends to its
// own scale and the coarser ones. The observation is the first scale's input, and sets shift, scale and gate of every
// layer norm (adaptive layer norm). Queries and keys have length one, and every head a learned factor. Training is by
// cross-entropy on the words of the demonstrated chunk, acting takes the likeliest word: four passes a chunk.
//
// Parameters have the names, and stored shapes, of the published PyTorch modules.
package carp
