package collect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"korr/internal/seed"
	"korr/internal/setting"
	"korr/sim"
	"korr/sim/domain"
	"korr/train/dataset"
)

// ErrTooFew says that the attempts ran out before enough episodes were kept.
var ErrTooFew = errors.New("too few successful demonstrations")

// Sink takes the kept episodes in order; *dataset.Writer and *dataset.Dataset
// are sinks.
type Sink interface {
	Append(e *dataset.Episode) error
}

// Config sets a collection.
type Config struct {
	Episodes int `yaml:"episodes"` // demonstrations kept
	// m, standard deviation added to the executed position (labels stay clean)
	ExecNoise   float64
	OnlySuccess bool `yaml:"only_success"` // drop failed demonstrations

	Seed        uint64
	Workers     int // simulators at once, at least one
	MaxAttempts int // episodes to try at most; 0 means 50 + 10 Episodes

	Origin   dataset.Episode // Randomness, Perturb and Simulator, noted with every episode
	Progress func(Progress)  // called after every decided attempt, in order; may be nil
}

// DefaultConfig is how the demonstrations of the shipped weights were made.
func DefaultConfig() Config { return Config{Episodes: 50, ExecNoise: 0.002, OnlySuccess: true} }

// Validate reports the first setting that is out of range.
func (c *Config) Validate() error {
	return setting.Check(
		"collect", setting.AtLeast("episodes", c.Episodes, 1), setting.Within("exec_noise", c.ExecNoise, 0, 0.05),
	)
}

// Progress counts what has been decided, in the order of the episodes.
type Progress struct {
	Kept      int // episodes handed to the sink
	Frames    int // of those
	Attempts  int // episodes decided
	Successes int // of those, whether kept or not
	Failure   error
}

// Factory makes what one worker runs: its own environment and its own policy.
// Both are closed by Collect; a policy may have a method Close().
type Factory func() (sim.Env, sim.Policy, error)

// Collect runs episodes until opts.Episodes of them are kept. It returns what
// was decided together with an error of the factory, the sink or the context,
// or one that wraps ErrTooFew. An episode in which the environment or the
// policy fails is a failed attempt; Progress.Failure holds the last such error.
func Collect(ctx context.Context, newWorker Factory, sink Sink, opts Config) (Progress, error) {
	if err := opts.Validate(); err != nil {
		return Progress{}, err
	}
	if opts.MaxAttempts == 0 {
		opts.MaxAttempts = 50 + 10*opts.Episodes
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &pool{opts: opts, newWorker: newWorker, outcomes: make(chan outcome)}
	for range max(1, min(opts.Workers, opts.MaxAttempts)) {
		p.workers.Go(func() { p.work(ctx) })
	}
	defer p.workers.Wait()
	defer cancel()
	return p.gather(ctx, sink)
}

// outcome is one finished attempt.
type outcome struct {
	index   int
	episode *dataset.Episode
	err     error // the attempt failed in the environment or the policy
	fatal   error // the worker cannot go on
}

// pool is a collection in progress.
type pool struct {
	opts      Config
	newWorker Factory
	next      atomic.Int64 // index of the next attempt
	outcomes  chan outcome
	workers   sync.WaitGroup
}

// work runs attempts until they run out or ctx ends.
func (p *pool) work(ctx context.Context) {
	send := func(o outcome) bool {
		select {
		case p.outcomes <- o:
			return true
		case <-ctx.Done():
			return false
		}
	}
	env, policy, err := p.newWorker()
	if err != nil {
		send(outcome{fatal: fmt.Errorf("collect: %w", err)})
		return
	}
	defer env.Close()
	if c, ok := policy.(interface{ Close() }); ok {
		defer c.Close()
	}
	for {
		k := int(p.next.Add(1) - 1)
		if k >= p.opts.MaxAttempts || ctx.Err() != nil {
			return
		}
		e, err := p.attempt(ctx, env, policy, k)
		if ctx.Err() != nil || !send(outcome{index: k, episode: e, err: err}) {
			return
		}
	}
}

// gather decides the outcomes in the order of their index.
func (p *pool) gather(ctx context.Context, sink Sink) (Progress, error) {
	var done Progress
	waiting := map[int]outcome{}
	for done.Kept < p.opts.Episodes {
		if done.Attempts == p.opts.MaxAttempts {
			return done, fmt.Errorf("collect: %w: kept %d of %d after %d attempts (%d succeeded); last failure: %v",
				ErrTooFew, done.Kept, p.opts.Episodes, done.Attempts, done.Successes, done.Failure)
		}
		o, ok := waiting[done.Attempts]
		if !ok {
			select {
			case o = <-p.outcomes:
			case <-ctx.Done():
				return done, fmt.Errorf("collect: stopped with %d of %d episodes: %w", done.Kept, p.opts.Episodes, ctx.Err())
			}
			if o.fatal != nil {
				return done, o.fatal
			}
			waiting[o.index] = o
			continue
		}
		delete(waiting, o.index)
		if err := p.decide(&done, o, sink); err != nil {
			return done, err
		}
		if p.opts.Progress != nil {
			p.opts.Progress(done)
		}
	}
	return done, nil
}

// decide counts one outcome and keeps its episode if it is wanted.
func (p *pool) decide(done *Progress, o outcome, sink Sink) error {
	done.Attempts++
	if o.err != nil {
		done.Failure = fmt.Errorf("episode %d: %w", o.index, o.err)
		return nil
	}
	if o.episode.Success {
		done.Successes++
	} else if p.opts.OnlySuccess {
		return nil
	}
	if err := sink.Append(o.episode); err != nil {
		return err
	}
	done.Kept++
	done.Frames += o.episode.Len()
	return nil
}

// attempt runs episode k.
func (p *pool) attempt(ctx context.Context, env sim.Env, policy sim.Policy, k int) (*dataset.Episode, error) {
	rng := seed.Stream(p.opts.Seed, "collect", uint64(k))
	e := p.opts.Origin
	e.Seed, e.ExecNoise = rng.Uint64(), p.opts.ExecNoise
	obs := make([]float32, env.Spec().ObsDim)
	var act, executed [sim.ActDim]float32
	if err := env.Reset(obs, e.Seed); err != nil {
		return nil, err
	}
	e.Domain = domain.Of(env).String()
	policy.Reset(rng.Uint64())
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := policy.ActTo(act[:], obs); err != nil {
			return nil, err
		}
		disturb(executed[:], act[:], p.opts.ExecNoise, rng)
		e.State = append(e.State, obs[:sim.StateDim]...)
		e.Env = append(e.Env, obs[sim.StateDim:]...)
		e.Action = append(e.Action, act[:]...)
		e.Executed = append(e.Executed, executed[:]...)
		res, err := env.Step(obs, executed[:])
		if err != nil {
			return nil, err
		}
		e.Reward = append(e.Reward, res.Reward)
		if res.Terminated || res.Truncated {
			e.Success = res.Success
			return &e, nil
		}
	}
}
