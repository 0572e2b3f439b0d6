package eval

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"korr/internal/seed"
	"korr/sim"
	"korr/sim/domain"
)

// Condition is one setting of the simulator.
type Condition struct {
	Task       string
	Randomness string  // low, med, high
	Perturb    float64 // strength of the pushes after control steps; 0 = none, 1 = as published
	Sensing    string  // what the tracker is like, a name of disturb.Profiles; empty: as the simulator is set up
	Physics    string  // what physics episodes draw, a name of domain.Profiles; empty: as the simulator is set up
}

// Policy names a policy and makes independent instances of it, one for each worker.
type Policy struct {
	Name      string
	Simulator string // fingerprint of the simulator it was trained in; empty when it does not say, or was not trained
	New       func() (sim.Policy, error)
}

// Player plays episodes of one condition: in process (see InProcess), or against a simulator elsewhere.
type Player interface {
	// Play plays the episode of a seed. A failing policy or simulator ends it with its Fault; the error is what keeps any
	// further episode from being played.
	Play(ctx context.Context, p sim.Policy, episodeSeed uint64) (Episode, error)
	Close() error
}

// Spec says what to measure.
type Spec struct {
	Conditions []Condition
	Policies   []Policy
	First      int // of the episodes' numbers; see EpisodeSeed
	Episodes   int // for each policy and condition
	Seed       uint64
	Seeds      []uint64 // of the episodes themselves, in the place of those that Seed gives; optional
	Workers    int      // 0 = one for each core
	Open       func(context.Context, Condition) (Player, error)
	Journal    *Journal              // optional: knows the episodes that were played before, and keeps the others
	Progress   func(done, total int) // optional; calls never overlap
}

// Episode is the outcome of one episode.
type Episode struct {
	Seed    uint64
	Steps   int // control steps taken
	Success bool
	// solved, and every pair stood at its published yaw when it was assembled; nil: unknown, as over ROS
	OneYaw *bool
	// what was still to be done, as far as the observations that the policy acted on show; Done after a success
	Stage  sim.Stage
	Fault  error        // the policy or the simulator failed, which counts as no success; nil otherwise
	Domain *domain.Draw // of the episode's physics; nil for the nominal ones and over ROS
}

// Cell holds the episodes of one policy under one condition, in the order of their seeds.
type Cell struct {
	Condition
	Policy   string
	Episodes []Episode
}

// EpisodeSeed is the seed of episode i of an evaluation.
func EpisodeSeed(runSeed uint64, i int) uint64 {
	return seed.Stream(runSeed, "eval", uint64(i)).Uint64()
}

// episodeSeed is the seed of episode i.
func (s *Spec) episodeSeed(i int) uint64 {
	if len(s.Seeds) > 0 {
		return s.Seeds[i]
	}
	return EpisodeSeed(s.Seed, s.First+i)
}

// job is one episode to run: cells[cell].Episodes[episode].
type job struct{ cell, episode int }

// Evaluate runs every policy under every condition, conditions outermost. The outcome does not depend on the number of
// workers. On the first error that is not an episode's own (a policy or environment cannot be made, ctx is cancelled)
// it stops and returns that error.
func Evaluate(ctx context.Context, s Spec) ([]Cell, error) {
	if s.Episodes < 1 || len(s.Conditions) == 0 || len(s.Policies) == 0 {
		return nil, nothing(s.Episodes, len(s.Policies), len(s.Conditions))
	}
	if len(s.Seeds) > 0 && len(s.Seeds) != s.Episodes {
		return nil, fmt.Errorf("eval: seeds of %d episodes for %d", len(s.Seeds), s.Episodes)
	}
	var cells []Cell
	for _, c := range s.Conditions {
		for _, p := range s.Policies {
			cells = append(cells, Cell{Condition: c, Policy: p.Name, Episodes: make([]Episode, s.Episodes)})
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan job)
	var wg sync.WaitGroup
	report := progress(s, len(cells)*s.Episodes)
	workers := s.Workers
	if workers < 1 {
		workers = runtime.GOMAXPROCS(0)
	}
	for range min(workers, len(cells)*s.Episodes) {
		wg.Go(func() {
			w := worker{spec: &s, cells: cells, at: -1}
			defer w.close()
			for j := range jobs {
				if err := w.run(ctx, j); err != nil {
					cancel(err)
					return
				}
				report()
			}
		})
	}
	feed(ctx, jobs, len(cells), s.Episodes)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return cells, nil
}

func nothing(episodes, policies, conditions int) error {
	return fmt.Errorf("eval: %d episodes of %d policies under %d conditions is nothing to measure", episodes,
		policies, conditions)
}

func feed(ctx context.Context, jobs chan<- job, cells, episodes int) {
	defer close(jobs)
	for c := range cells {
		for e := range episodes {
			select {
			case jobs <- job{c, e}:
			case <-ctx.Done():
				return
			}
		}
	}
}

func progress(s Spec, total int) func() {
	if s.Progress == nil {
		return func() {}
	}
	var mu sync.Mutex
	done := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		done++
		s.Progress(done, total)
	}
}

// worker owns one player and one policy, those of the cell it is at.
type worker struct {
	spec  *Spec
	cells []Cell
	at    int
	play  Player
	pol   sim.Policy
}

func (w *worker) run(ctx context.Context, j job) error {
	cell, seed := &w.cells[j.cell], w.spec.episodeSeed(j.episode)
	if ep, known := w.spec.Journal.find(cell.Condition, cell.Policy, seed); known {
		cell.Episodes[j.episode] = ep
		return nil
	}
	if err := w.moveTo(ctx, j.cell); err != nil {
		return err
	}
	ep, err := w.play.Play(ctx, w.pol, seed)
	cell.Episodes[j.episode] = ep
	if err != nil {
		return err
	}
	return w.spec.Journal.add(cell.Condition, cell.Policy, ep)
}

func (w *worker) moveTo(ctx context.Context, cell int) error {
	if cell == w.at {
		return nil
	}
	c := w.cells[cell].Condition
	if w.at < 0 || w.cells[w.at].Condition != c {
		w.closePlayer()
		play, err := w.spec.Open(ctx, c)
		if err != nil {
			return fmt.Errorf("eval: %s %s: %w", c.Task, c.Randomness, err)
		}
		w.play = play
	}
	w.closePolicy()
	p := w.spec.Policies[cell%len(w.spec.Policies)]
	pol, err := p.New()
	if err != nil {
		return fmt.Errorf("eval: policy %s: %w", p.Name, err)
	}
	w.at, w.pol = cell, pol
	return nil
}

func (w *worker) close() {
	w.closePlayer()
	w.closePolicy()
}

func (w *worker) closePlayer() {
	if w.play != nil {
		_ = w.play.Close() // nothing is written: there is nothing a failure could lose
		w.play = nil
	}
}

// closePolicy ends policies that run something, as the scripted experts do.
func (w *worker) closePolicy() {
	if c, ok := w.pol.(interface{ Close() }); ok {
		c.Close()
	}
	w.pol = nil
}

// Faults joins the faults of a cell's episodes, each named by its seed; nil when there were none.
func (c *Cell) Faults() error {
	var errs []error
	for _, e := range c.Episodes {
		if e.Fault != nil {
			errs = append(errs, fmt.Errorf("%s, episode seed %d, step %d: %w", c.Policy, e.Seed, e.Steps, e.Fault))
		}
	}
	return errors.Join(errs...)
}

// Outcomes lists the successes in the order of the seeds, as PairedDifference takes them.
func (c *Cell) Outcomes() []bool {
	out := make([]bool, len(c.Episodes))
	for i, e := range c.Episodes {
		out[i] = e.Success
	}
	return out
}
