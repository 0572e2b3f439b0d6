// Package eval measures success rates: every policy on the same seeded episodes, under every condition, with honest
// intervals.
//
// Episode i of a run with seed s starts from seed.Stream(s, "eval", i).Uint64(), whatever the policy and the condition,
// so two policies can be compared episode by episode. A rate k/n carries the Wilson score interval (Wilson 1927)
//
//	(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n),  p = k/n, z = 1.96
//
// and the difference of two policies on the same episodes carries Newcombe's interval for paired proportions
// (R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions based on paired
// data", Statistics in Medicine 17, 1998, method 10): the two Wilson intervals squared and added, with the
// correlation of the pairs taken off.
package eval
