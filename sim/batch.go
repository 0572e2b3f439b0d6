package sim

import (
	"errors"
	"fmt"
	"sync"
)

// Batch steps several environments of one kind over a fixed set of worker goroutines. Which worker steps an
// environment never changes the result: environments share nothing.
type Batch struct {
	envs  []Env
	spec  Spec
	jobs  chan int
	fn    func(b *Batch, i int)
	wg    sync.WaitGroup
	close sync.Once
	done  sync.WaitGroup
	args  arguments // of the call in progress
}

// arguments are what the workers of a call share; kept in the batch, so that no call allocates.
type arguments struct {
	obs, act []float32
	seeds    []uint64
	res      []Result
	errs     []error
}

// NewBatch takes ownership of the environments and starts workers goroutines (at least one). All environments must
// have the same specification.
func NewBatch(envs []Env, workers int) (*Batch, error) {
	if len(envs) == 0 {
		return nil, errors.New("sim: a batch needs at least one environment")
	}
	b := &Batch{envs: envs, spec: envs[0].Spec(), jobs: make(chan int, len(envs))}
	for i, e := range envs {
		if s := e.Spec(); s.Task != b.spec.Task || s.ObsDim != b.spec.ObsDim || s.ActDim != b.spec.ActDim {
			return nil, fmt.Errorf("sim: environment %d is %s with %d observations, environment 0 is %s with %d", i, s.Task,
				s.ObsDim, b.spec.Task, b.spec.ObsDim)
		}
	}
	workers = max(1, min(workers, len(envs)))
	b.done.Add(workers)
	for range workers {
		go func() {
			defer b.done.Done()
			for i := range b.jobs {
				b.fn(b, i)
				b.wg.Done()
			}
		}()
	}
	return b, nil
}

// Len is the number of environments.
func (b *Batch) Len() int { return len(b.envs) }

// Spec is the specification all environments share.
func (b *Batch) Spec() Spec { return b.spec }

// Env returns environment i; the batch keeps owning it.
func (b *Batch) Env(i int) Env { return b.envs[i] }

// each runs fn(i) for every i that is active (nil: all) on the workers and waits.
func (b *Batch) each(active []bool, fn func(b *Batch, i int)) {
	b.fn = fn
	for i := range b.envs {
		if active == nil || active[i] {
			b.wg.Add(1)
			b.jobs <- i
		}
	}
	b.wg.Wait()
}

// Reset starts a new episode in every active environment (nil: all). obs is [n*ObsDim]; rows of environments that
// are not active are left alone. The error joins those of all environments.
func (b *Batch) Reset(obs []float32, seeds []uint64, active []bool) error {
	errs := make([]error, len(b.envs))
	b.ResetEach(obs, seeds, active, errs)
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("environment %d: %w", i, err)
		}
	}
	return errors.Join(errs...)
}

// ResetEach is Reset with the error of each active environment in errs [n].
func (b *Batch) ResetEach(obs []float32, seeds []uint64, active []bool, errs []error) {
	b.args = arguments{obs: obs, seeds: seeds, errs: errs}
	b.each(active, (*Batch).resetOne)
}

func (b *Batch) resetOne(i int) {
	d, a := b.spec.ObsDim, &b.args
	a.errs[i] = b.envs[i].Reset(a.obs[i*d:(i+1)*d], a.seeds[i])
}

// Step executes one action in every active environment (nil: all). obs is [n*ObsDim], act [n*ActDim], res and errs [n].
// An environment that fails gets its error in errs and must be reset; the others go on.
func (b *Batch) Step(obs, act []float32, active []bool, res []Result, errs []error) {
	b.args = arguments{obs: obs, act: act, res: res, errs: errs}
	b.each(active, (*Batch).stepOne)
}

func (b *Batch) stepOne(i int) {
	d, u, a := b.spec.ObsDim, b.spec.ActDim, &b.args
	a.res[i], a.errs[i] = b.envs[i].Step(a.obs[i*d:(i+1)*d], a.act[i*u:(i+1)*u])
}

// Close stops the workers and closes every environment.
func (b *Batch) Close() error {
	var errs []error
	b.close.Do(func() {
		close(b.jobs)
		b.done.Wait()
		for _, e := range b.envs {
			errs = append(errs, e.Close())
		}
	})
	return errors.Join(errs...)
}
