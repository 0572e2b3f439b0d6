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

// Config says how a small sweep and a small evaluation are disturbed.
type Config struct {
	Korr     string // the command
	Seed     uint64 // of the disturbances
	Kills    int    // of workers
	Keep     bool   // the folder of what came out; it is kept too when something differs
	Log      *slog.Logger
	Progress func(step, dir string)
}

// lease is that of the queue's units.
const lease = 3 * time.Second

// What is done: little is learned, and everything runs, with checkpoints on the way.
var (
	smallest = []string{
		"sim.max_steps=20", "residual.critic_start=64", "residual.actor_start=96", "residual.envs=4", "residual.batch=8",
		"residual.members=1",
		"residual.utd=0.125", "residual.checkpoint_every=80", "residual.actor_hidden=16", "residual.critic_hidden=16",
	}
	sweepFlags = []string{"--variants", "resip,korr", "--seeds", "1", "--steps", "640", "--episodes", "4"}
	evalFlags  = []string{"--policy", "base,korr", "--perturb", "both", "--episodes", "8", "--seed", "5"}
)

// settings are smallest as flags.
func settings() (out []string) {
	for _, kv := range smallest {
		out = append(out, "--set", kv)
	}
	return out
}

// run is one under way.
type run struct {
	*Config
	dir     string // of everything that comes out
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

// Run does it all, in a temporary folder. A report that has not passed is no error.
func Run(ctx context.Context, c Config) (*Report, error) {
	dir, err := os.MkdirTemp("", "korr-verify-queue-")
	if err != nil {
		return nil, err
	}
	r := &run{
		Config: &c, dir: dir, rng: seed.Stream(c.Seed, "spread", 0),
		report: Report{Schema: Schema, Seed: c.Seed, dir: dir},
	}
	if err = r.all(ctx); err == nil && r.report.Passed && !c.Keep {
		err = os.RemoveAll(dir)
	} else {
		c.Log.Warn("what came out is kept", "folder", dir)
	}
	if err != nil {
		return nil, err
	}
	return &r.report, nil
}

// all does one step after the other.
func (r *run) all(ctx context.Context) error {
	start := time.Now()
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
		if r.Progress != nil {
			r.Progress(step.name, r.dir)
		}
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("verify queue: %s: %w", step.name, err)
		}
	}
	r.report.Passed = !slices.ContainsFunc(r.report.Checks, func(c Check) bool { return !c.Equal })
	r.report.Seconds = time.Since(start).Seconds()
	return nil
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
	p, err := start(r.dir, len(r.every), name, r.Korr, args...)
	if err == nil {
		r.every = append(r.every, p)
	}
	return p, err
}

func (r *run) sweepArgs(out string, more ...string) []string {
	return slices.Concat([]string{"train", "sweep", "--no-times", "--out", out}, settings(), sweepFlags, more)
}

func (r *run) evalArgs(csv string, more ...string) []string {
	return slices.Concat([]string{"eval", "--json", "--csv", csv}, settings(), evalFlags, more)
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
		if err := os.Rename(p.out, filepath.Join(r.dir, "alone."+name)); err != nil {
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
	if r.store, err = queue.Connect(ctx, filepath.Join(r.dir, "queue"), r.Log, 30*time.Second); err != nil {
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
	r.server, err = r.start("server", "queue", "serve", "--dir", "queue", "--lease", lease.String(), "--log-format", "json")
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
		if err := os.Rename(p.out, filepath.Join(r.dir, "spread."+name)); err != nil {
			return err
		}
	}
	return r.count(ctx)
}
