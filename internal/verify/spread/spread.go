package spread

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"korr/internal/seed"
	"korr/train/queue"
)

// Config says what is done and how it is disturbed.
type Config struct {
	Korr     string   // the command
	Dir      string   // of everything that comes out; exists
	Settings []string // of both verbs: a preset, --set and so on
	Sweep    []string // flags of korr train sweep, beside --out
	Eval     []string // flags of korr eval, beside --csv
	Seed     uint64   // of the disturbances
	Kills    int      // of workers
	Lease    time.Duration
	Log      *slog.Logger
	Progress func(step string)
}

// run is one under way.
type run struct {
	*Config
	rng     *rand.Rand
	server  *process
	workers []*process // by number; replaced when killed
	every   []*process // that was started, to be ended and read
	born    int
	store   *queue.Store
	report  Report
}

// workerCount is how many workers there are.
const workerCount = 3

// Run does it all. A report that has not passed is no error.
func Run(ctx context.Context, c Config) (*Report, error) {
	start := time.Now()
	r := &run{Config: &c, rng: seed.Stream(c.Seed, "spread", 0), report: Report{Schema: Schema, Seed: c.Seed}}
	defer r.stop()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"one process", r.alone},
		{"queue", r.begin},
		{"disturbances", r.spread},
		{"comparison", r.compare},
	} {
		if c.Progress != nil {
			c.Progress(step.name)
		}
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("verify queue: %s: %w", step.name, err)
		}
	}
	r.report.Passed = !slices.ContainsFunc(r.report.Checks, func(c Check) bool { return !c.Equal })
	r.report.Seconds = time.Since(start).Seconds()
	return &r.report, nil
}

func (r *run) stop() {
	if r.store != nil {
		r.store.Close()
	}
	for _, p := range r.every {
		p.end()
	}
}

// start starts a process; its files are numbered in the order of the starts.
func (r *run) start(name string, args ...string) (*process, error) {
	p, err := start(r.Dir, len(r.every), name, r.Korr, args...)
	if err == nil {
		r.every = append(r.every, p)
	}
	return p, err
}

func (r *run) sweepArgs(out string, more ...string) []string {
	return slices.Concat([]string{"train", "sweep", "--no-times", "--out", out}, r.Settings, r.Sweep, more)
}

func (r *run) evalArgs(csv string, more ...string) []string {
	return slices.Concat([]string{"eval", "--json", "--csv", csv}, r.Settings, r.Eval, more)
}

// alone does the sweep and the evaluation in one process each.
func (r *run) alone(ctx context.Context) error {
	for name, args := range map[string][]string{
		"sweep": r.sweepArgs("alone"), "eval": r.evalArgs("alone.csv"),
	} {
		p, err := r.start(name+"-alone", args...)
		if err != nil {
			return err
		}
		if err := r.await(ctx, p, name); err != nil {
			return err
		}
		if err := os.Rename(p.out, filepath.Join(r.Dir, "alone."+name)); err != nil {
			return err
		}
	}
	return nil
}

// await waits for a process that is to end well.
func (r *run) await(ctx context.Context, p *process, what string) error {
	select {
	case <-p.done:
		if p.err != nil {
			return p.failed(what)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// begin starts the server and the workers.
func (r *run) begin(ctx context.Context) error {
	if err := r.serve(ctx); err != nil {
		return err
	}
	var err error
	if r.store, err = queue.Connect(ctx, filepath.Join(r.Dir, "queue"), r.Log, 30*time.Second); err != nil {
		return err
	}
	r.workers = make([]*process, workerCount)
	for i := range r.workers {
		if err := r.work(i); err != nil {
			return err
		}
	}
	return nil
}

// serve starts the server and waits until it is up.
func (r *run) serve(ctx context.Context) (err error) {
	r.server, err = r.start("server", "queue", "serve", "--dir", "queue", "--lease", r.Lease.String(), "--log-format", "json")
	if err != nil {
		return err
	}
	return r.until(ctx, "the server is up", func() (bool, error) {
		if r.server.over() {
			return false, r.server.failed("server")
		}
		info, err := os.Stat(r.server.out)
		return err == nil && info.Size() > 0, err // it says how to join
	})
}

// work starts worker i, under a name of its own.
func (r *run) work(i int) (err error) {
	r.born++
	name := fmt.Sprintf("w%d-%d", i, r.born)
	r.workers[i], err = r.start(name, "worker", "--join", "queue", "--dir", "work", "--name", name, "--cores", "1",
		"--save", "200ms", "--log-format", "json")
	return err
}

// until polls until is holds.
func (r *run) until(ctx context.Context, what string, is func() (bool, error)) error {
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		if err := r.pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
	}
}

func (r *run) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// spread submits both and disturbs them.
func (r *run) spread(ctx context.Context) error {
	sweep, err := r.start("sweep", r.sweepArgs("spread", "--queue", "queue")...)
	if err != nil {
		return err
	}
	eval, err := r.start("eval", r.evalArgs("spread.csv", "--queue", "queue")...)
	if err != nil {
		return err
	}
	if sweep, err = r.disturb(ctx, sweep); err != nil {
		return err
	}
	if err := errors.Join(r.await(ctx, sweep, "sweep"), r.await(ctx, eval, "eval")); err != nil {
		return err
	}
	for name, p := range map[string]*process{"sweep": sweep, "eval": eval} {
		if err := os.Rename(p.out, filepath.Join(r.Dir, "spread."+name)); err != nil {
			return err
		}
	}
	return r.count(ctx)
}
