package ppo

import (
	"math"
	"testing"

	"korr/internal/seed"
)

// TestGAEIsTheWeightedSum compares with the definition: adv_t = sum over k of (gamma lambda)^k delta_t+k, up to the end
// of the episode.
func TestGAEIsTheWeightedSum(t *testing.T) {
	const steps, envs, gamma, lambda = 9, 3, 0.9, 0.8
	rng := seed.Stream(1, "gae", 0)
	n := steps * envs
	rewards, values, dones := make([]float32, n), make([]float32, n+envs), make([]float32, n+envs)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
		if i < n {
			rewards[i] = float32(rng.NormFloat64())
		}
		if rng.IntN(4) == 0 {
			dones[i] = 1
		}
	}
	adv, ret := make([]float32, n), make([]float32, n)
	GAE(adv, ret, rewards, values[:n], dones[:n], values[n:], dones[n:], envs, gamma, lambda)
	for i := range envs {
		for t0 := range steps {
			want, w := 0.0, 1.0
			for k := t0; k < steps; k++ {
				here, after := k*envs+i, (k+1)*envs+i
				ended := dones[after] == 1
				delta := float64(rewards[here]) - float64(values[here])
				if !ended {
					delta += gamma * float64(values[after])
				}
				want += w * delta
				if ended {
					break
				}
				w *= gamma * lambda
			}
			at := t0*envs + i
			if math.Abs(float64(adv[at])-want) > 1e-5 || math.Abs(float64(ret[at])-want-float64(values[at])) > 1e-5 {
				t.Fatalf("environment %d, step %d: advantage %g, return %g, want %g more than %g", i, t0, adv[at], ret[at],
					want, values[at])
			}
		}
	}
}

func TestRewardNormalizer(t *testing.T) {
	n, rng := NewRewardNormalizer(0), seed.Stream(2, "reward", 0)
	var sum, square float64
	out := make([]float32, 5)
	for k := range 400 {
		r := make([]float32, 5)
		for i := range r {
			r[i] = float32(2 + 3*rng.NormFloat64())
			sum += float64(r[i])
			square += float64(r[i]) * float64(r[i])
		}
		n.NormalizeTo(out, r)
		if k < 399 {
			continue
		}
		mean := sum / 2000
		std := math.Sqrt(square/2000 - mean*mean)
		for i := range r {
			if math.Abs(float64(out[i])-float64(r[i])/std) > 1e-5 { // not centred
				t.Errorf("%g became %g, want %g", r[i], out[i], float64(r[i])/std)
			}
		}
	}
	n = NewRewardNormalizer(5)
	n.NormalizeTo(out, []float32{0, 0, 0, 0, 0})
	n.NormalizeTo(out, []float32{0, 0, 0, 1000, -1000})
	if out[0] != 0 || out[3] > 5 || out[4] < -5 {
		t.Errorf("%v", out)
	}
	n = NewRewardNormalizer(5)
	for range 3 {
		n.NormalizeTo(out, make([]float32, 5))
	}
	n.NormalizeTo(out[:1], []float32{1})
	if n.NormalizeTo(out[:0], nil); out[0] > 5 || out[0] < 3 {
		t.Errorf("a first reward became %g", out[0])
	}
}

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		i, warmup, total int
		want             float64
	}{
		{0, 5, 105, 0},
		{1, 5, 105, 0.2},
		{5, 5, 105, 1},
		{55, 5, 105, 0.5},
		{105, 5, 105, 0},
		{200, 5, 105, 0},
		{0, 0, 10, 1},
		{3, 5, 2, 0.6},
		{5, 5, 5, 1},
	} {
		if got := Schedule(c.i, c.warmup, c.total); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Schedule(%d, %d, %d) = %g, want %g", c.i, c.warmup, c.total, got, c.want)
		}
	}
}

func TestGaussian(t *testing.T) {
	mean, logStd := []float32{0.5, -1}, []float32{-0.5, 0.3}
	// The density integrates to one and its mean negative logarithm is the entropy.
	mass, entropy := 0.0, 0.0
	const h = 0.05
	for x := -9.0; x < 9; x += h {
		for y := -12.0; y < 11; y += h {
			lp := LogProb([]float32{float32(x), float32(y)}, mean, logStd)
			p := math.Exp(lp) * h * h
			mass += p
			entropy -= p * lp
		}
	}
	if math.Abs(mass-1) > 1e-4 || math.Abs(entropy-Entropy(logStd)) > 1e-3 {
		t.Errorf("mass %g, entropy %g, want 1 and %g", mass, entropy, Entropy(logStd))
	}
}

func TestConfigRefuses(t *testing.T) {
	for i, change := range []func(*Config){
		func(c *Config) { c.ClipCoef = 0 }, func(c *Config) { c.UpdateEpochs = 0 }, func(c *Config) { c.NumMinibatches = 0 },
		func(c *Config) { c.TargetKL = -1 }, func(c *Config) { c.ModelCoef = -1 },
		func(c *Config) { c.LearningRateActor = math.NaN() },
		func(c *Config) { c.LearningRateCritic = 0 }, func(c *Config) { c.Gamma = 1.1 },
		func(c *Config) { c.GAELambda = -0.1 },
		func(c *Config) { c.MaxGradNorm = -1 }, func(c *Config) { c.AdamEps = 0 }, func(c *Config) { c.WeightDecay = -1 },
		func(c *Config) { c.ClipReward = -1 }, func(c *Config) { c.ActorWarmup = -1 },
	} {
		c := DefaultConfig()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if c.Validate() == nil {
			t.Errorf("change %d passed: %+v", i, c)
		}
	}
}
