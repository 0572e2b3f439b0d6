package koopmanfit

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
	"korr/train/episodes"
	"korr/train/eval"
)

// Rollouts says how the base policy is played for a model to learn from.
type Rollouts struct {
	Policy   *residual.Policy
	Features bool // of the task, beside the observation, as the data have them
	Open     func() (sim.Env, error)
	Workers  int
	Episodes int
	HeldOut  float64 // share of the episodes that is kept for the prediction table
	Seed     uint64

	// As in a residual's warm-up.
	Sigma     float64              // standard deviation of the noise on the normalised action
	Rho       float64              // its autocorrelation from step to step
	FailAfter int                  // control steps without progress that end an episode; 0 = never
	MaxSteps  int                  // control steps that end an episode; 0 = the simulator's
	Stages    *episodes.StageRules // instead of FailAfter: how long an episode may wait for its next stage; nil without

	Progress func(done, of int) // may be nil
}

// AddRollouts plays episodes of the base policy with the exploration noise of a residual's warm-up, and adds them to
// the data. Demonstrations show what goes well; a residual works where the base goes wrong, and a model that has never
// seen that predicts worse there than that nothing changes.
func (k *Data) AddRollouts(ctx context.Context, c Rollouts) error {
	n := c.Episodes
	if n == 0 {
		return nil
	}
	held := int(math.Ceil(c.HeldOut * float64(n)))
	if held >= n {
		return fmt.Errorf("koopman.rollouts is %d, %d of them held out: none to learn from; ask for more, or for 0", n, held)
	}
	task, err := sim.TaskByName(c.Policy.Task)
	if err != nil {
		return err
	}
	episodes := make([]koopman.Episode, n)
	errs := make([]error, n)
	jobs := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range min(n, c.Workers) {
		wg.Go(func() {
			env, err := c.Open()
			if err == nil {
				defer func() { _ = env.Close() }() // nothing is written
			}
			for i := range jobs {
				if err != nil {
					errs[i] = err
					continue
				}
				episodes[i], errs[i] = c.rollout(ctx, env, task, i, k.robot)
				mu.Lock()
				done++
				if c.Progress != nil {
					c.Progress(done, n)
				}
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
	for _, e := range episodes {
		k.rolled += e.T
	}
	k.train, k.heldOutRollouts = append(k.train, episodes[held:]...), episodes[:held]
	return nil
}

// rollout plays episode i for a model that reads robot of its coordinates (see koopman.Config). It ends early where a
// residual's training would end it.
func (c *Rollouts) rollout(ctx context.Context, env sim.Env, task *sim.Task, i, robot int) (koopman.Episode, error) {
	enc, err := taskEncoder(c.Policy, c.Features)
	if err != nil {
		return koopman.Episode{}, err
	}
	p := c.Policy
	tick, err := residual.NewTick(enc, basepolicy.NewQueue(p.Base.NewChunker(), p.Execute), nil, residual.Foresight{}, nil)
	if err != nil {
		return koopman.Episode{}, err
	}
	x := &explorer{
		Tick: tick, engaged: task.Engaged, failAfter: c.FailAfter, limit: c.MaxSteps,
		rng: seed.Stream(c.Seed, "koopman/noise", uint64(i)), sigma: c.Sigma, rho: c.Rho,
		robot: robot, part: make([]float32, enc.PartDim(robot)), r: make([]float32, enc.ActDim()),
		u: make([]float32, enc.ActDim()), noise: make([]float64, enc.ActDim()),
	}
	if c.Stages != nil {
		x.watch = c.Stages.NewWatch()
	}
	ep, err := eval.RunEpisode(ctx, env, x, seed.Stream(c.Seed, "koopman/rollouts", uint64(i)).Uint64(), nil)
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
	watch   *episodes.StageWatch // nil without stages
	episode koopman.Episode
}

// stalled reports whether the episode, before its next step, has gone on for too long without progress.
func (x *explorer) stalled(obs []float32) bool {
	switch {
	case x.watch == nil:
		x.done = x.done || x.engaged(obs)
		return x.failAfter > 0 && x.episode.T >= x.failAfter && !x.done
	case x.episode.T == 0:
		x.watch.Reset(obs)
	default:
		x.watch.Observe(obs)
	}
	return x.watch.Stalled()
}

// ActTo implements sim.Policy.
func (x *explorer) ActTo(act, obs []float32) error {
	if x.stalled(obs) {
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
