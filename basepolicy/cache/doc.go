// Package cache saves network calls while a chunk is denoised: at most steps of a
// sampler's run it reuses or forecasts what the network would have computed
// (survey: arXiv 2510.19755). Nothing is retrained.
//
// A run has w full steps, then a full one every n-th. After a full step the network's
// output, or another feature F of it, joins a history F_0, F_1, .. (newest first) at
// distances b_0 = 0 < b_1 < .. back in steps. k steps after F_0 a forecast is a
// weighted sum of the history. With D_0 = F and D_i(j) = (D_(i-1)(j) - D_(i-1)(j+1)) / (b_(j+1) - b_j):
//
//	reuse     F_0
//	adaptive  F_0, refreshed when the accumulated relative change of the input passes a threshold
//	taylor    sum of D_i k^i / i!                                       TaylorSeer
//	newton    the polynomial through the history, at k
//	hicache   sum of D_i s^i H_i(s k) / i!, H the physicists' Hermite polynomials   arXiv 2508.16984
//	foca      mix P + (1 - mix) (F_0 + (r d + P - F_0)/2), P = 4/3 F_0 - 1/3 F_1 + 2/3 r d,
//	          d = F_0 - F_1, r = k / b_1                                arXiv 2508.16211
//	freqca    low frequencies along the horizon reused, high ones by hicache     arXiv 2510.08669
//	hyca      each cluster of the feature's dimensions by the rule that was best in calibration   arXiv 2510.04188
//	speca     taylor, verified by running the last block on the forecast of its input (Speculation)   arXiv 2509.11628
//	bac       a transformer's attentions and feed-forwards each have steps of their own,
//	          found by dynamic programming in calibration (MostAlike, BubblingUnion)   arXiv 2506.13456
//
// D_i estimates a derivative half a gap or more in the past, so taylor and hicache as
// published are exact on straight lines only; newton is exact on polynomials of its order. As
// in the authors' code, taylor and speca keep differences from the third step on only.
//
// New puts a Cache around a network. With several chunks in a batch, what depends on
// the data (adaptive, speca) is decided for all of them together, by the worst.
package cache
