package collect

import (
	"fmt"

	"korr/internal/seed"
	"korr/train/dataset"
)

// Before finds how far a collection under the same settings had come that kept these episodes and was interrupted. What
// it tried after the last of them is tried again, with the same outcome.
func Before(c Config, episodes []dataset.Episode) (Progress, error) {
	most := c.attempts()
	var done Progress
	for i := range episodes {
		e := &episodes[i]
		if e.Randomness != c.Origin.Randomness || e.Perturb != c.Origin.Perturb || e.ExecNoise != c.ExecNoise ||
			e.Simulator != c.Origin.Simulator {
			return Progress{}, fmt.Errorf("collect: episode %d was collected under other settings: randomness %s, pushes %g, "+
				"execution noise %g m, simulator %s",
				i, e.Randomness, e.Perturb, e.ExecNoise, e.Simulator)
		}
		for seed.Stream(c.Seed, "collect", uint64(done.Attempts)).Uint64() != e.Seed {
			if done.Attempts++; done.Attempts >= most {
				return Progress{}, fmt.Errorf("collect: episode %d is none that seed %d gives: go on with the seed that it was "+
					"collected with", i, c.Seed)
			}
		}
		done.Attempts++
		done.Kept++
		done.Frames += e.Len()
		if e.Success {
			done.Successes++
		}
	}
	return done, nil
}

// attempts is how many episodes are tried at most.
func (c *Config) attempts() int {
	if c.MaxAttempts == 0 {
		return 50 + 10*c.Episodes
	}
	return c.MaxAttempts
}
