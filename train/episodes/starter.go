package episodes

import (
	"fmt"
	"log/slog"

	"korr/internal/seed"
	"korr/sim"
)

// Starter begins the training episodes of a batch of environments, each with a seed of its own.
type Starter struct {
	Begun int // episodes so far; a resumed run sets it

	batch *sim.Batch
	seed  uint64
	log   *slog.Logger
	seeds []uint64
}

// NewStarter returns a starter whose episodes' seeds are the run seed's stream "train".
func NewStarter(batch *sim.Batch, runSeed uint64, log *slog.Logger) *Starter {
	return &Starter{batch: batch, seed: runSeed, log: log, seeds: make([]uint64, batch.Len())}
}

// Begin resets the environments in which due is set, each with the next seed, and fills their rows of obs (raw, [n,
// D]). Environments that refuse get other seeds, a few times. The seeds it returns, one per environment, are valid
// where due is set and until the next call.
func (s *Starter) Begin(obs []float32, due []bool) ([]uint64, error) {
	const attempts = 3
	var err error
	for range attempts {
		for i, d := range due {
			if d {
				s.seeds[i] = seed.Stream(s.seed, "train", uint64(s.Begun)).Uint64()
				s.Begun++
			}
		}
		if err = s.batch.Reset(obs, s.seeds, due); err == nil {
			return s.seeds, nil
		}
		s.log.Warn("environments did not reset; trying other seeds", "err", err)
	}
	return nil, fmt.Errorf("no episode could be started in %d attempts: %w", attempts, err)
}
