package ppo

import (
	"fmt"
	"math"
)

// GAE writes the generalised advantage estimates (Schulman et al. 2016, arXiv
// 1506.02438) and the returns, advantage + value, of a rollout of T steps in
// `envs` environments. adv, ret, rewards, values and dones are [T, envs];
// dones[t] is 1 where the state at t starts a new episode, so nothing flows
// back from t to t-1. nextValue and nextDone [envs] belong to the state after
// the last step. It panics on other lengths.
func GAE(adv, ret, rewards, values, dones, nextValue, nextDone []float32, envs int, gamma, lambda float64) {
	steps := len(rewards) / max(envs, 1)
	for _, x := range [][]float32{adv, ret, rewards, values, dones} {
		if len(x) != steps*envs || envs < 1 {
			panic(fmt.Sprintf("ppo: GAE: %d numbers, want %d steps of %d environments", len(x), steps, envs))
		}
	}
	for i := range envs {
		last, value, done := 0.0, float64(nextValue[i]), float64(nextDone[i])
		for k := (steps-1)*envs + i; k >= 0; k -= envs {
			goesOn := 1 - done
			v := float64(values[k])
			delta := float64(rewards[k]) + gamma*value*goesOn - v
			last = delta + gamma*lambda*goesOn*last
			adv[k], ret[k] = float32(last), float32(last+v)
			value, done = v, float64(dones[k])
		}
	}
}

// normalize shifts and scales x to mean 0 and standard deviation 1 (n-1). It
// writes the result into dst.
func normalize(dst []float64, x []float32) {
	n := float64(len(x))
	mean, square := 0.0, 0.0
	for _, v := range x {
		mean += float64(v) / n
	}
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	std := math.Sqrt(square / (n - 1))
	for i, v := range x {
		dst[i] = (float64(v) - mean) / (std + 1e-8)
	}
}
