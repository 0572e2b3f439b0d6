package sense

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"

	"korr/internal/seed"
	"korr/sim"
)

// Plays says which episodes are played: every third, from the first on, is the base policy's, the others the expert's.
type Plays struct {
	Episodes     int
	Seed         uint64                     // episode i plays what Seed draws for it
	Workers      int                        // environments at once
	Open         func() (sim.Env, error)    // an environment that shows true poses
	Expert, Base func() (sim.Policy, error) // new instances, for one worker
	Progress     func(done, of int)         // one call at a time
}

// Play plays the episodes, which are the same for any number of workers. The first error ends all of them.
func Play(ctx context.Context, p Plays) ([]Roll, error) {
	rolls := make([]Roll, p.Episodes)
	var mu sync.Mutex
	next, done := 0, 0
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	g, ctx := errgroup.WithContext(ctx)
	for range p.Workers {
		g.Go(func() error {
			env, err := p.Open()
			if err != nil {
				return err
			}
			defer env.Close()
			var policies [2]sim.Policy
			for k, start := range []func() (sim.Policy, error){p.Expert, p.Base} {
				if policies[k], err = start(); err != nil {
					return err
				}
				if c, ok := policies[k].(interface{ Close() }); ok {
					defer c.Close()
				}
			}
			for i := take(); i < p.Episodes; i = take() {
				policy := policies[0]
				if i%3 == 0 {
					policy = policies[1]
				}
				r, err := Record(ctx, env, policy, seed.Stream(p.Seed, "filter", uint64(i)).Uint64())
				if err != nil {
					return fmt.Errorf("episode %d: %w", i, err)
				}
				mu.Lock()
				rolls[i] = r
				done++
				p.Progress(done, p.Episodes)
				mu.Unlock()
			}
			return nil
		})
	}
	return rolls, g.Wait()
}
