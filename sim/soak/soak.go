package soak

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"korr/sim"
)

// Config says what to play.
type Config struct {
	Tasks    []string
	Steps    int64 // control steps over all tasks, at least
	Workers  int
	Seed     uint64
	Episode  int                                // control steps of an episode; 0 for 200
	Reopen   int64                              // episodes after which a worker opens its environments anew; 0 for 200
	Open     func(task string) (sim.Env, error) // a fresh environment
	Resume   *State                             // where an earlier run stopped; nil to start
	Save     func(*State) error                 // called every SaveEvery and at the end; nil to keep nothing
	Every    time.Duration                      // between saves and memory samples; 0 for 10 s
	Progress func(steps, of int64, note string) // nil for silence
	Memory   func() (resident int64, err error) // bytes; nil for Resident
}

// State is all that a run has found so far. It is what a checkpoint holds.
type State struct {
	Schema   string            `json:"schema"` // Schema
	Seed     uint64            `json:"seed"`
	Episode  int               `json:"episode_steps"`
	Next     int64             `json:"next_episode"` // number of the first episode that has not been played
	Steps    int64             `json:"steps"`
	Episodes int64             `json:"episodes"`
	Opened   int64             `json:"opened"`   // environments
	Refused  int64             `json:"refused"`  // bad actions that were refused, as they have to be
	Unstable int64             `json:"unstable"` // episodes that the environment itself ended as unstable
	Broken   int64             `json:"broken"`   // what must not happen: see Faults
	Tasks    map[string]*Count `json:"tasks"`
	Faults   []Fault           `json:"faults,omitempty"` // the first maxFaults of Unstable and Broken
	Memory   []Sample          `json:"memory"`
	Seconds  float64           `json:"seconds"`
}

// Count is one task's share.
type Count struct {
	Steps     int64 `json:"steps"`
	Episodes  int64 `json:"episodes"`
	Successes int64 `json:"successes"`
}

// Fault is one episode that went wrong.
type Fault struct {
	Task    string `json:"task"`
	Episode int64  `json:"episode"`
	Step    int    `json:"step"`
	Error   string `json:"error"`
}

// Sample is the process's resident memory at one time.
type Sample struct {
	Steps int64 `json:"steps"`
	Bytes int64 `json:"bytes"`
}

// Schema is the version of State's form.
const Schema = "korr.soak/1"

const (
	maxFaults  = 50
	maxSamples = 2000
)

// ErrResume marks a checkpoint of a run that was told something else.
var ErrResume = errors.New("the checkpoint is of another run")

// Run plays until Config.Steps are reached or ctx ends; the state it returns is whole in either case, and says the
// truth about what was played. The error is the context's, one of opening, saving or measuring, or ErrResume; faults
// are in the state.
func Run(ctx context.Context, cfg Config) (*State, error) {
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	start, before := time.Now(), r.state.Seconds
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := r.sample(); err != nil {
		return nil, err
	}
	var workers sync.WaitGroup
	for range r.cfg.Workers {
		workers.Go(func() {
			if err := r.work(ctx); err != nil {
				cancel(err)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	tick := time.NewTicker(r.cfg.Every)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-tick.C:
		}
		r.mu.Lock()
		r.state.Seconds = before + time.Since(start).Seconds()
		r.mu.Unlock()
		if err := r.note(); err != nil {
			cancel(err)
			<-done
			return r.state, err
		}
	}
	return r.state, context.Cause(ctx)
}

// Replay plays one episode of a run again, on an environment of its own: the one that a run of that seed and episode
// length, resumed or not, reported under this number. The state has only this episode. Tasks, Steps, Workers, Resume
// and Save are ignored.
func Replay(cfg Config, task string, n int64) (*State, error) {
	cfg.Tasks, cfg.Steps, cfg.Resume = []string{task}, 1, nil
	r, err := newRun(cfg)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	env, err := r.cfg.Open(task)
	if err != nil {
		return nil, fmt.Errorf("soak: %w", err)
	}
	r.state.Opened, r.state.Next = 1, n+1
	r.finish(n, play(env, task, r.cfg.Seed, n, r.cfg.Episode))
	r.state.Seconds = time.Since(start).Seconds()
	return r.state, errors.Join(r.sample(), env.Close())
}

// run is a Run in progress.
type run struct {
	cfg   Config
	mu    sync.Mutex // guards state and open
	state *State
	open  map[int64]bool // episodes being played
}

func newRun(cfg Config) (*run, error) {
	if len(cfg.Tasks) == 0 || cfg.Steps < 1 || cfg.Open == nil {
		return nil, errors.New("soak: tasks, steps and a way to open environments are needed")
	}
	cfg.Workers = max(1, cfg.Workers)
	if cfg.Episode < 1 {
		cfg.Episode = 200
	}
	if cfg.Reopen < 1 {
		cfg.Reopen = 200
	}
	if cfg.Every <= 0 {
		cfg.Every = 10 * time.Second
	}
	if cfg.Memory == nil {
		cfg.Memory = Resident
	}
	s := cfg.Resume
	if s == nil {
		s = &State{Schema: Schema, Seed: cfg.Seed, Episode: cfg.Episode, Tasks: map[string]*Count{}}
		for _, t := range cfg.Tasks {
			s.Tasks[t] = &Count{}
		}
	}
	if s.Schema != Schema || s.Seed != cfg.Seed || s.Episode != cfg.Episode || len(s.Tasks) != len(cfg.Tasks) {
		return nil, fmt.Errorf("soak: %w: seed %d, episodes of %d steps, %d tasks; delete it or ask for the same", ErrResume,
			s.Seed, s.Episode, len(s.Tasks))
	}
	for _, t := range cfg.Tasks {
		if s.Tasks[t] == nil {
			return nil, fmt.Errorf("soak: %w: it has no task %s; delete it or ask for the same", ErrResume, t)
		}
	}
	return &run{cfg: cfg, state: s, open: map[int64]bool{}}, nil
}

// take hands out the number of the next episode; false when there are steps enough.
func (r *run) take() (int64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Steps+int64(len(r.open)*r.cfg.Episode) >= r.cfg.Steps && len(r.open) > 0 || r.state.Steps >= r.cfg.Steps {
		return 0, false
	}
	n := r.state.Next
	for r.open[n] {
		n++
	}
	r.state.Next = n + 1
	r.open[n] = true
	return n, true
}

// finish adds an episode to the state.
func (r *run) finish(n int64, e *episode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, n)
	s := r.state
	e.steps = max(e.steps, 1) // or a run of nothing but failures would not end
	s.Steps += int64(e.steps)
	s.Episodes++
	s.Refused += int64(e.refused)
	c := s.Tasks[e.task]
	c.Steps += int64(e.steps)
	c.Episodes++
	if e.success {
		c.Successes++
	}
	if e.err == nil {
		return
	}
	if errors.Is(e.err, sim.ErrUnstable) {
		s.Unstable++
	} else {
		s.Broken++
	}
	if len(s.Faults) < maxFaults {
		s.Faults = append(s.Faults, Fault{Task: e.task, Episode: n, Step: e.steps, Error: e.err.Error()})
	}
}

// sample measures memory. When there are many samples, every other one goes.
func (r *run) sample() error {
	bytes, err := r.cfg.Memory()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state
	if len(s.Memory) >= maxSamples {
		for i := range maxSamples / 2 {
			s.Memory[i] = s.Memory[2*i]
		}
		s.Memory = s.Memory[:maxSamples/2]
	}
	s.Memory = append(s.Memory, Sample{Steps: s.Steps, Bytes: bytes})
	return nil
}

// note samples, saves and tells. What is saved takes the episodes being played as not played.
func (r *run) note() error {
	if err := r.sample(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := *r.state
	for n := range r.open {
		s.Next = min(s.Next, n)
	}
	if r.cfg.Progress != nil {
		r.cfg.Progress(s.Steps, r.cfg.Steps, fmt.Sprintf("%d episodes, %d unstable, %d broken, %d MiB",
			s.Episodes, s.Unstable, s.Broken, s.Memory[len(s.Memory)-1].Bytes>>20))
	}
	if r.cfg.Save != nil {
		return r.cfg.Save(&s)
	}
	return nil
}
