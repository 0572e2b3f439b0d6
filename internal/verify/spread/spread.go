package spread

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"korr/internal/report"
	"korr/internal/seed"
	"korr/train/queue"
	"korr/train/unit"
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

// Schema names the JSON form of a Report.
const Schema = "korr.verify-queue/1"

// Report is what came of it.
type Report struct {
	Schema      string  `json:"schema"` // Schema
	Passed      bool    `json:"passed"`
	Seed        uint64  `json:"seed"`
	WorkerKills int     `json:"worker_kills"`
	ServerKills int     `json:"server_kills"`
	Pauses      int     `json:"pauses"`
	Interrupts  int     `json:"interrupts"` // of a submitter, which was started again
	Late        int     `json:"late"`       // outcomes that workers dropped because they had lost the unit
	Units       int     `json:"units"`
	TakenOver   int     `json:"taken_over"` // units that were claimed more than once
	Resumed     int     `json:"resumed"`    // of them, with a checkpoint
	Checks      []Check `json:"checks"`
	Seconds     float64 `json:"seconds"`
}

// Check is a file or an output that has to be equal.
type Check struct {
	What  string `json:"what"`
	Bytes int    `json:"bytes"`
	Equal bool   `json:"equal"`
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
	p, err := start(r.Dir, fmt.Sprintf("%02d-%s", len(r.every), name), r.Korr, args...)
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
	if r.server, err = r.start("server", "queue", "serve", "--dir", "queue", "--lease", r.Lease.String(), "--log-format",
		"json"); err != nil {
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

// breath is a random pause between disturbances.
func (r *run) breath(ctx context.Context) error {
	return r.pause(ctx, time.Duration(100+r.rng.IntN(600))*time.Millisecond)
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

// disturb pauses a worker that trains until another has its unit; meanwhile it kills workers and the server, and
// interrupts the sweep's submitter, which is started again and returned.
func (r *run) disturb(ctx context.Context, sweep *process) (*process, error) {
	paused, id, epoch, err := r.freeze(ctx)
	if err != nil {
		return nil, err
	}
	for n := range r.Kills {
		if err := r.breath(ctx); err != nil {
			return nil, err
		}
		if err := r.killWorker(ctx, paused); err != nil {
			return nil, err
		}
		switch n {
		case 0:
			if err := r.killServer(ctx); err != nil {
				return nil, err
			}
		case 1:
			if sweep, err = r.interrupt(ctx, sweep); err != nil {
				return nil, err
			}
		}
	}
	if err := r.until(ctx, "another worker has the paused one's unit", func() (bool, error) {
		st, err := r.store.Unit(ctx, id)
		return err == nil && st.Epoch > epoch, err
	}); err != nil {
		return nil, err
	}
	if err := r.workers[paused].signal(syscall.SIGCONT); err != nil {
		return nil, err
	}
	p := r.workers[paused]
	return sweep, r.until(ctx, "the paused worker drops what it did", func() (bool,
		error,
	) {
		return p.says(`"msg":"late"`) > 0, nil
	})
}

// freeze pauses a worker in the middle of a training, one that has a checkpoint unless it is the last, and names its
// unit.
func (r *run) freeze(ctx context.Context) (worker int, id unit.ID, epoch uint64, err error) {
	cells := len(r.policies())
	err = r.until(ctx, "a worker trains", func() (bool, error) {
		all, err := r.store.Units(ctx)
		if err != nil {
			return false, err
		}
		left := cells
		for _, st := range all {
			if st.Kind == trainingKind && st.Phase == queue.Done {
				left--
			}
		}
		if left == 0 {
			return false, errors.New("every training was over before a worker could be paused in it: --steps of the sweep are " +
				"too few here")
		}
		for worker = range r.workers {
			for unitID, st := range all {
				if st.Phase != queue.Running || st.Kind != trainingKind || st.Saves == 0 && left > 1 ||
					st.Worker != r.nameOf(worker) {
					continue
				}
				if err := r.workers[worker].signal(syscall.SIGSTOP); err != nil {
					return false, err
				}
				if now, err := r.store.Unit(ctx, unitID); err == nil && now.Phase == queue.Running && now.Epoch == st.Epoch {
					id, epoch = unitID, now.Epoch
					r.report.Pauses++
					return true, nil
				}
				if err := r.workers[worker].signal(syscall.SIGCONT); err != nil { // it was done at that moment
					return false, err
				}
			}
		}
		return false, nil
	})
	return worker, id, epoch, err
}

// trainingKind is the kind of the units that a worker is paused in: those that take long.
const trainingKind = "sweep-cell"

// nameOf is the name of a worker as it was started.
func (r *run) nameOf(i int) string {
	args := r.workers[i].cmd.Args
	return args[slices.Index(args, "--name")+1]
}

func (r *run) running(ctx context.Context) (map[unit.ID]*queue.State, error) {
	all, err := r.store.Units(ctx)
	for id, st := range all {
		if st.Phase != queue.Running {
			delete(all, id)
		}
	}
	return all, err
}

// killWorker kills a worker other than the paused one and starts another. One whose unit would be parked is spared,
// since a unit that takes three workers down is poison, and rightly parked; workers stand still while that is looked
// at.
func (r *run) killWorker(ctx context.Context, paused int) error {
	at := r.rng.IntN(workerCount)
	for range workerCount {
		if at != paused {
			w := r.workers[at]
			if err := w.signal(syscall.SIGSTOP); err != nil {
				return err
			}
			running, err := r.running(ctx)
			if err != nil {
				return err
			}
			name := r.nameOf(at)
			spare := false
			for _, st := range running {
				spare = spare || st.Worker == name && st.Tries > 1
			}
			if !spare {
				w.end()
				r.report.WorkerKills++
				return r.work(at)
			}
			if err := w.signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
		at = (at + 1) % workerCount
	}
	return nil
}

// killServer kills the server and starts it again.
func (r *run) killServer(ctx context.Context) error {
	r.server.end()
	r.report.ServerKills++
	if err := r.breath(ctx); err != nil {
		return err
	}
	return r.serve(ctx)
}

// interrupt ends the sweep's submitter as Ctrl-C does, and submits again. One that is done already is left alone.
func (r *run) interrupt(ctx context.Context, sweep *process) (*process, error) {
	if sweep.over() {
		return sweep, nil
	}
	if err := sweep.signal(syscall.SIGINT); err != nil {
		return nil, err
	}
	select {
	case <-sweep.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	r.report.Interrupts++
	return r.start("sweep", r.sweepArgs("spread", "--queue", "queue")...)
}

// count reads what the queue and the workers say of the disturbances.
func (r *run) count(ctx context.Context) error {
	all, err := r.store.Units(ctx)
	if err != nil {
		return err
	}
	for _, st := range all {
		r.report.Units++
		if st.Phase != queue.Done {
			return fmt.Errorf("unit %s is %s", st.Name, st.Phase)
		}
		if st.Epoch > 1 {
			r.report.TakenOver++
			if st.Saves > 0 {
				r.report.Resumed++
			}
		}
	}
	for _, p := range r.every {
		r.report.Late += p.says(`"msg":"late"`)
	}
	return nil
}

// policies are those that one process trained.
func (r *run) policies() []string {
	// the pattern is one
	found, _ := filepath.Glob(filepath.Join(r.Dir, "alone", "*", "checkpoints", "policy.safetensors"))
	return found
}

// compare looks at everything that has to be equal.
func (r *run) compare(context.Context) error {
	names := [][2]string{
		{"alone.sweep", "spread.sweep"},
		{"alone/table.txt", "spread/table.txt"},
		{"alone.eval", "spread.eval"},
		{"alone.csv", "spread.csv"},
	}
	for _, p := range r.policies() {
		cell := filepath.Base(filepath.Dir(filepath.Dir(p)))
		for _, file := range []string{"checkpoints/policy.safetensors", "config.yaml"} {
			names = append(names, [2]string{"alone/" + cell + "/" + file, "spread/" + cell + "/" + file})
		}
	}
	for _, n := range names {
		a, err := os.ReadFile(filepath.Join(r.Dir, n[0]))
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(r.Dir, n[1]))
		if err != nil {
			return err
		}
		r.report.Checks = append(r.report.Checks, Check{n[1], len(b), len(a) > 0 && bytes.Equal(a, b)})
	}
	return nil
}

// WriteText prints the report.
func (r *Report) WriteText(w io.Writer) error {
	t := &report.Table{Columns: []report.Column{
		{Name: "compared with one process"},
		{Name: "bytes", Right: true},
		{Name: ""},
	}}
	for _, c := range r.Checks {
		word := "equal"
		if !c.Equal {
			word = "DIFFERS"
		}
		t.Add(c.What, fmt.Sprint(c.Bytes), word)
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d units by %d workers in %.0f s: %d kills of workers, %d of the server, %d pause, %d "+
		"interrupt; %d units taken over, %d of them from "+
		"a checkpoint, %d late outcomes dropped\n", r.Units, workerCount, r.Seconds, r.WorkerKills, r.ServerKills, r.Pauses,
		r.Interrupts, r.TakenOver, r.Resumed, r.Late)
	return err
}
