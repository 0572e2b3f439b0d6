// Package sweep compares settings of the residual's training: it trains every variant with every seed, plays what came
// out on the same episodes, and compares the variants pair by pair, the same training seed and the same episode. What
// is finished is kept in the run folders and not done again.
package sweep
