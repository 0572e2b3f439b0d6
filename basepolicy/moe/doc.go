// Package moe is a feed-forward of several experts, of which a router picks a few by the noise level alone (MoDE, Reuss
// et al. 2024, arXiv 2412.12953): all tokens of a chunk at a denoising step share them.
//
//	normed = x / rms(x) g
//	p = softmax(router(c)), w = p of the top experts over their sum
//	y = normed + sum over the top experts of w_e expert_e(normed)
//	expert(z) = W_2 (a silu(b)),  [a, b] = W_1 z + b_1
//
// The residual starts from the normed stream, as published. The balance loss is E times the sum over experts of mean
// w_e times the share of chunks that go to e; the z loss is the mean square of the logarithm of the sum of exponentials
// of the logits, less their largest. The source samples experts while it trains; here the likeliest are taken.
package moe
