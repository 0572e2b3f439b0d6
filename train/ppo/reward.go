package ppo

import "math"

const (
	// firstCount is the weight of the variance that a RewardNormalizer starts from, 1.
	firstCount = 1e-4
	// varianceFloor keeps the division finite.
	varianceFloor = 1e-8
)

// RewardNormalizer divides rewards by the running standard deviation of all
// rewards so far, present ones included, and clips them. The mean is tracked
// for the variance's sake only: a zero reward stays zero. Start from
// NewRewardNormalizer.
type RewardNormalizer struct {
	Mean, Var, Count float64 // of the rewards so far
	Clip             float64 // bound of the result; 0 = none
}

// NewRewardNormalizer returns a normalizer that has seen nothing.
func NewRewardNormalizer(clip float64) *RewardNormalizer {
	return &RewardNormalizer{Var: 1, Count: firstCount, Clip: clip}
}

// NormalizeTo takes in the rewards of one step of all environments (parallel
// variance: Chan, Golub and LeVeque 1979) and writes them normalised into dst.
func (n *RewardNormalizer) NormalizeTo(dst, rewards []float32) {
	if len(rewards) == 0 {
		return
	}
	count, mean, square := float64(len(rewards)), 0.0, 0.0
	for _, r := range rewards {
		mean += float64(r) / count
	}
	for _, r := range rewards {
		square += (float64(r) - mean) * (float64(r) - mean)
	}
	delta, total := mean-n.Mean, n.Count+count
	n.Var = (n.Var*n.Count + square + delta*delta*n.Count*count/total) / total
	n.Mean += delta * count / total
	n.Count = total

	scale := 1 / math.Sqrt(n.Var+varianceFloor)
	for i, r := range rewards {
		v := float64(r) * scale
		if n.Clip > 0 {
			v = max(-n.Clip, min(n.Clip, v))
		}
		dst[i] = float32(v)
	}
}
