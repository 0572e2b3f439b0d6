package ppo

import "math"

// Schedule is the factor on a learning rate in iteration i of total: it rises
// linearly from 0 over the first warmup iterations, then falls along half a
// cosine to 0.
func Schedule(i, warmup, total int) float64 {
	if i < warmup {
		return float64(i) / float64(warmup)
	}
	if total <= warmup {
		return 1
	}
	return 0.5 * (1 + math.Cos(math.Pi*min(1, float64(i-warmup)/float64(total-warmup))))
}
