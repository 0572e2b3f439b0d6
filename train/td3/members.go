package td3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"korr/residual"
	"korr/train/run"
)

// memberSeed is by how much the seeds of a run's members differ; the first has the run's own.
const memberSeed = 1000

// Member is the configuration of member k of n, from 0: a seed of its own, and its share of the steps and the workers.
func (c Config) Member(k, n int) Config {
	c.Seed += uint64(memberSeed * k)
	c.Steps /= n
	c.Workers = max(1, c.Workers/n)
	return c
}

// Members trains n policies side by side, at most c.Workers at once, and returns their average: each alone errs in
// other episodes. open creates the run folder of member k, or opens what is there: a member that has made all its steps
// is read, another goes on. in.Run, in.Resume and in.Progress are the members' own; progress hears of their reports,
// one at a time.
func Members(
	ctx context.Context, c Config, in Inputs, n int, open func(k int, c Config) (*run.Folder, error),
	progress func(k int, r Report),
) (*residual.Policy, error) {
	policies := make([]*residual.Policy, n)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Workers)
	for k := range n {
		g.Go(func() (err error) {
			own := in
			own.Progress = func(r Report) {
				mu.Lock()
				defer mu.Unlock()
				progress(k, r)
			}
			member := c.Member(k, n)
			if own.Run, err = open(k, member); err == nil {
				policies[k], err = trainMember(ctx, member, own)
			}
			if err != nil {
				return fmt.Errorf("member %d: %w", k+1, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	mean, err := residual.Average(policies...)
	if err != nil {
		return nil, err
	}
	mean.Meta[stepsKey] = strconv.Itoa(n * (c.Steps / n))
	return mean, nil
}

// trainMember trains one member, or reads it when it is trained.
func trainMember(ctx context.Context, c Config, in Inputs) (*residual.Policy, error) {
	path := in.Run.Checkpoint("policy")
	p, err := residual.Load(path, in.Base)
	if err == nil && p.Meta[stepsKey] == strconv.Itoa(c.Steps) {
		return p, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	in.Resume = true // from nothing where there is no state yet
	if p, err = Train(ctx, c, in); err != nil {
		return nil, err
	}
	return p, p.Save(path)
}
