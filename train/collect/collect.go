package collect

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

	Recovery *Recovery // what the demonstrator takes over from; nil: it acts from the start
	Done     Progress  // of an earlier collection that this one goes on with, see Before

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
	Steps     int // control steps of the simulator, of all of those
	Failure   error

	// Takeovers and Recovered count, by cause, the attempts in which the demonstrator took over and what it then solved.
	Takeovers, Recovered map[Cause]int
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
	opts.MaxAttempts = opts.attempts()
	if opts.Recovery != nil {
		if err := opts.Recovery.check(); err != nil {
			return Progress{}, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &pool{opts: opts, newWorker: newWorker, outcomes: make(chan outcome)}
	p.next.Store(int64(opts.Done.Attempts))
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
	episode *dataset.Episode // nil: the demonstrator never took over
	taken   *Takeover        // nil: it acted from the start
	steps   int              // control steps
	err     error            // the attempt failed in the environment or the policy
	fatal   error            // the worker cannot go on
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
	w, err := p.hire()
	if err != nil {
		send(outcome{fatal: fmt.Errorf("collect: %w", err)})
		return
	}
	defer w.close()
	for {
		k := int(p.next.Add(1) - 1)
		if k >= p.opts.MaxAttempts || ctx.Err() != nil {
			return
		}
		o := p.attempt(ctx, w, k)
		if ctx.Err() != nil || !send(o) {
			return
		}
	}
}

// worker is what one goroutine plays with.
type worker struct {
	env    sim.Env
	policy sim.Policy // the demonstrator
	roller sim.Policy // that it takes over from; nil without a recovery
}

// hire makes a worker.
func (p *pool) hire() (*worker, error) {
	env, policy, err := p.newWorker()
	if err != nil {
		return nil, err
	}
	w := &worker{env: env, policy: policy}
	if r := p.opts.Recovery; r != nil {
		if w.roller, err = r.New(); err != nil {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

func (w *worker) close() {
	for _, policy := range []sim.Policy{w.policy, w.roller} {
		if c, ok := policy.(interface{ Close() }); ok {
			c.Close()
		}
	}
	_ = w.env.Close() // nothing is written: there is nothing a failure could lose
}

// gather decides the outcomes in the order of their index.
func (p *pool) gather(ctx context.Context, sink Sink) (Progress, error) {
	done := p.opts.Done
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
	done.Steps += o.steps
	if o.taken != nil {
		count(&done.Takeovers, o.taken.Cause)
	}
	if o.err != nil {
		done.Failure = fmt.Errorf("episode %d: %w", o.index, o.err)
		return nil
	}
	if o.episode == nil {
		return nil
	}
	if o.episode.Success {
		done.Successes++
		if o.taken != nil {
			count(&done.Recovered, o.taken.Cause)
		}
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

func count(by *map[Cause]int, c Cause) {
	if *by == nil {
		*by = map[Cause]int{}
	}
	(*by)[c]++
}

// attempt runs episode k.
func (p *pool) attempt(ctx context.Context, w *worker, k int) outcome {
	rng := seed.Stream(p.opts.Seed, "collect", uint64(k))
	e := p.opts.Origin
	e.Seed, e.ExecNoise = rng.Uint64(), p.opts.ExecNoise
	o := outcome{index: k}
	obs := make([]float32, w.env.Spec().ObsDim)
	if o.err = w.env.Reset(obs, e.Seed); o.err != nil {
		return o
	}
	e.Domain = domain.Of(w.env).String()
	if r := p.opts.Recovery; r != nil {
		if o.taken, o.steps, o.err = r.begin(ctx, w, &e, obs, rng); o.err != nil || o.taken == nil {
			return o
		}
	}
	w.policy.Reset(rng.Uint64())
	if o.err = p.record(ctx, w, &e, obs, rng); o.err == nil {
		o.episode = &e
	}
	o.steps += e.Len()
	return o
}

// record lets the demonstrator act from obs to the end of the episode.
func (p *pool) record(ctx context.Context, w *worker, e *dataset.Episode, obs []float32, rng *rand.Rand) error {
	var act, executed [sim.ActDim]float32
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.policy.ActTo(act[:], obs); err != nil {
			return err
		}
		disturb(executed[:], act[:], p.opts.ExecNoise, rng)
		e.State = append(e.State, obs[:sim.StateDim]...)
		e.Env = append(e.Env, obs[sim.StateDim:]...)
		e.Action = append(e.Action, act[:]...)
		e.Executed = append(e.Executed, executed[:]...)
		res, err := w.env.Step(obs, executed[:])
		if err != nil {
			return err
		}
		e.Reward = append(e.Reward, res.Reward)
		if res.Terminated || res.Truncated {
			e.Success = res.Success
			return nil
		}
	}
}
