package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"korr/basepolicy"
	"korr/internal/seed"
	"korr/koopman"
	"korr/residual"
	"korr/sim"
	"korr/train/eval"
)

// addRollouts plays koopman.rollouts episodes of the base policy with the exploration noise of a residual's warm-up, and adds
// them to the data. Demonstrations show what goes well; a residual works where the base goes wrong, and a model that has never
// seen that predicts worse there than that nothing changes.
func (a *app) addRollouts(ctx context.Context, k *koopmanData) error {
	n := a.Config.Koopman.Rollouts
	if n == 0 {
		return nil
	}
	p, err := a.loadPolicy(a.Config.Koopman.Base)
	if err != nil {
		return err
	}
	task, err := sim.TaskByName(p.Task)
	if err != nil {
		return err
	}
	episodes := make([]koopman.Episode, n)
	errs := make([]error, n)
	bar := a.progress("play the base policy", "episodes", n)
	jobs := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range min(n, a.workers()) {
		wg.Go(func() {
			env, err := a.newEnv(a.condition())
			if err == nil {
				defer func() { _ = env.Close() }() // nothing is written
			}
			for i := range jobs {
				if err != nil {
					errs[i] = err
					continue
				}
				episodes[i], errs[i] = a.rollout(ctx, env, p, task, i, k.robot)
				mu.Lock()
				done++
				bar.set(done, n, "")
				mu.Unlock()
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("play the base policy (koopman.rollouts=0 leaves that out): %w", err)
	}
	bar.finish(fmt.Sprintf("%d episodes", n))
	held := int(math.Ceil(a.Config.Koopman.HeldOut * float64(n)))
	k.train, k.heldOutRollouts = append(k.train, episodes[held:]...), episodes[:held]
	return nil
}

// rollout plays episode i for a model that reads robot of its coordinates (see koopman.Config). It ends early where a residual's
// training would end it.
func (a *app) rollout(ctx context.Context, env sim.Env, p *residual.Policy, task *sim.Task, i, robot int) (koopman.Episode, error) {
	enc, err := taskEncoder(p, a.Config.Residual.Features)
	if err != nil {
		return koopman.Episode{}, err
	}
	r := a.Config.Residual
	tick, err := residual.NewTick(enc, basepolicy.NewQueue(p.Base.NewChunker(), p.Execute), nil, residual.Foresight{}, nil)
	if err != nil {
		return koopman.Episode{}, err
	}
	x := &explorer{
		Tick: tick, engaged: task.Engaged, failAfter: r.FailAfter, limit: r.MaxSteps,
		rng: seed.Stream(a.Config.Seed, "koopman/noise", uint64(i)), sigma: r.Alpha * r.WarmUpNoise, rho: r.NoiseRho,
		robot: robot, part: make([]float32, enc.PartDim(robot)), r: make([]float32, enc.ActDim()), u: make([]float32, enc.ActDim()), noise: make([]float64, enc.ActDim()),
	}
	ep, err := eval.RunEpisode(ctx, env, x, seed.Stream(a.Config.Seed, "koopman/rollouts", uint64(i)).Uint64(), nil)
	if err == nil && ep.Fault != nil && !errors.Is(ep.Fault, errEnough) {
		err = ep.Fault
	}
	return x.episode, err
}

// errEnough ends an episode where a residual's training would end it.
var errEnough = errors.New("no progress, or too long")

// explorer is the base policy with exploration noise, and remembers what it saw and did.
type explorer struct {
	*residual.Tick
	engaged   func(obsRaw []float32) bool
	failAfter int // control steps without progress that end an episode; 0 = none
	limit     int // control steps that end any episode; 0 = the simulator's
	rng       *rand.Rand
	sigma     float64 // of the normalised action
	rho       float64 // autocorrelation from step to step

	done    bool // engaged
	robot   int
	r, u    []float32
	part    []float32 // of the encoded observation
	noise   []float64
	episode koopman.Episode
}

// ActTo implements sim.Policy.
func (x *explorer) ActTo(act, obs []float32) error {
	x.done = x.done || x.engaged(obs)
	if x.failAfter > 0 && x.episode.T >= x.failAfter && !x.done {
		return errEnough
	}
	if x.limit > 0 && x.episode.T >= x.limit {
		return errEnough
	}
	if _, err := x.Observe(obs); err != nil {
		return err
	}
	if err := x.Base(); err != nil {
		return err
	}
	for j, e := range x.noise {
		x.noise[j] = x.rho*e + math.Sqrt(1-x.rho*x.rho)*x.rng.NormFloat64()
		x.r[j] = float32(x.sigma * x.noise[j])
	}
	x.ComposeTo(act, x.u, x.r, 1)
	x.PartTo(x.part, x.robot)
	x.episode.Obs, x.episode.Act = append(x.episode.Obs, x.part...), append(x.episode.Act, x.u...)
	x.episode.T++
	return nil
}
