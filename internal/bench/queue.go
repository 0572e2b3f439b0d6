package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"korr/residual/loop/realtime"
	"korr/train/queue"
	"korr/train/unit"
)

// QueueOptions say what is measured of a queue.
type QueueOptions struct {
	Korr   string // the command that serves
	Queued int    // units that wait at once
	Done   int    // units that are done one after the other
	// Episodes of an evaluation by one worker and by two, each on a core, in Rounds alternating rounds; 0: not measured.
	Episodes int
	Rounds   int
	Log      *slog.Logger
}

// noop is the kind of the units: they do nothing.
const noop = "noop"

// stateMB is about what the state of a residual's training takes, the replay buffer of 150,000 steps included.
const stateMB = 70

// ticksPerSecond is the unit of /proc/PID/stat on every Linux of today (sysconf _SC_CLK_TCK).
const ticksPerSecond = 100

// queueLimit bounds each part of the measurement.
const queueLimit = 10 * time.Minute

// Queue measures what a queue costs beside the work: a unit that does nothing, from a worker's asking for it to its
// answer, and the server's share of that; what many waiting units take of the server's memory and disk; how long a
// training's state is on its way; and how much faster two workers are than one.
// Servers and workers are processes of their own, on the loopback interface.
func Queue(ctx context.Context, o QueueOptions) ([]Result, error) {
	var out []Result
	if err := o.served(ctx, func(ctx context.Context, q *queueBench) (err error) {
		out, err = q.run(ctx)
		return err
	}); err != nil || o.Episodes == 0 {
		return out, err
	}
	name := fmt.Sprintf("queue/evaluation of %d episodes, ", o.Episodes)
	by := func(workers int) func() (float64, error) {
		return func() (seconds float64, err error) {
			err = o.served(ctx, func(ctx context.Context, q *queueBench) error {
				seconds, err = q.evaluate(ctx, workers)
				return err
			})
			return seconds, err
		}
	}
	spread, err := Alternate(ctx, o.Rounds,
		Case{Name: name + "one worker", Unit: "s", Run: by(1)},
		Case{Name: name + "two workers", Unit: "s", Peer: name + "one worker", Run: by(2)})
	return append(out, spread...), err
}

// served has a server of its own up during f.
func (o *QueueOptions) served(ctx context.Context, f func(context.Context, *queueBench) error) error {
	ctx, cancel := context.WithTimeout(ctx, queueLimit)
	defer cancel()
	dir, err := os.MkdirTemp("", "korr-bench-queue-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server := exec.CommandContext(ctx, o.Korr, "queue", "serve", "--dir", dir, "--quiet")
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(server.Process.Signal(syscall.SIGTERM), server.Wait()) }()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it says how to join once it is up
		return fmt.Errorf("bench: the server does not start: %w", err)
	}
	q := &queueBench{QueueOptions: *o, dir: dir, pid: server.Process.Pid}
	if q.store, err = queue.Connect(ctx, dir, o.Log, time.Minute); err != nil {
		return err
	}
	defer q.store.Close()
	return f(ctx, q)
}

// evaluate is the wall time, in seconds, of korr eval by so many workers that are up already.
func (q *queueBench) evaluate(ctx context.Context, workers int) (float64, error) {
	for i := range workers {
		w := exec.CommandContext(ctx, q.Korr, "worker", "--join", q.dir, "--dir", filepath.Join(q.dir, "work"), "--cores",
			"1", "--quiet")
		w.Env = append(os.Environ(), "GOMAXPROCS=1", "OPENBLAS_NUM_THREADS=1")
		if err := q.startOn(i, w); err != nil {
			return 0, err
		}
		defer func() { _ = errors.Join(w.Process.Kill(), w.Wait()) }()
	}
	for {
		s, err := q.store.Status(ctx)
		if err != nil {
			return 0, err
		}
		if len(s.Workers) == workers {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	eval := exec.CommandContext(
		ctx, q.Korr, "eval", "--queue", q.dir, "--policy", "korr", "--perturb", "off", "--episodes", strconv.Itoa(q.Episodes),
		"--seed", "2", "--quiet",
	)
	start := time.Now()
	if text, err := eval.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("bench: korr eval: %w: %s", err, text)
	}
	return time.Since(start).Seconds(), nil
}

// startOn starts a command on one core, as a cluster's scheduler does: its threads keep what their core has cached.
func (q *queueBench) startOn(core int, c *exec.Cmd) error {
	started := make(chan error)
	go func() { // a child has the cores of the thread that starts it; the thread ends with this
		if refused := (&realtime.Options{CPUs: []int{core}}).Thread(); len(refused) > 0 {
			started <- refused[0]
			return
		}
		started <- c.Start()
	}()
	return <-started
}

type queueBench struct {
	QueueOptions
	dir   string
	pid   int // of the server
	store *queue.Store
}

func (q *queueBench) run(ctx context.Context) ([]Result, error) {
	empty, err := resident(q.pid)
	if err != nil {
		return nil, err
	}
	before, err := processor(q.pid)
	if err != nil {
		return nil, err
	}
	seconds, err := q.do(ctx, noops("done", q.Done), nil)
	if err != nil {
		return nil, err
	}
	after, err := processor(q.pid)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := q.fill(ctx); err != nil {
		return nil, err
	}
	submitted := float64(q.Queued) / time.Since(start).Seconds()
	full, err := resident(q.pid)
	if err != nil {
		return nil, err
	}
	status, err := q.store.Status(ctx)
	if err != nil {
		return nil, err
	}
	if status.Jobs[0].Waiting != q.Queued {
		return nil, fmt.Errorf("bench: %d units wait, want %d", status.Jobs[0].Waiting, q.Queued)
	}
	state, err := q.carry(ctx) // last: its buffers stay in the server's memory for a while
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("queue/%d waiting units, ", q.Queued)
	return []Result{
		{Name: "queue/no-op unit", Value: 1e3 * seconds / float64(q.Done-1), Unit: "ms"},
		{Name: "queue/no-op unit, server's processor", Value: 1e3 * (after - before) / float64(q.Done), Unit: "ms"},
		{Name: "queue/units submitted", Value: submitted, Unit: "1/s"},
		{Name: "queue/empty, server's memory", Value: empty, Unit: "MB"},
		{Name: name + "server's memory", Value: full, Unit: "MB"},
		{Name: name + "server's disk", Value: float64(status.Bytes) / 1e6, Unit: "MB"},
		{Name: fmt.Sprintf("queue/file of %d MB, stored and fetched", stateMB), Value: state, Unit: "s"},
	}, nil
}

func noops(name string, n int) *unit.Job {
	j := &unit.Job{Name: name}
	for i := range n {
		j.Units = append(j.Units, unit.Unit{Kind: noop, Name: strconv.Itoa(i), Spec: unit.Encode([2]any{name, i})})
	}
	return j
}

// do has one worker do a job, whose outputs come back, and returns the seconds from the end of the first unit's work
// (nil: none) to the last answer.
func (q *queueBench) do(ctx context.Context, j *unit.Job, work func(*unit.Task) error) (float64, error) {
	p := unit.Platform{Build: "bench"}
	var first time.Time
	w := &queue.Worker{
		Store: q.store, Platform: p, Dir: filepath.Join(q.dir, "work"), Log: q.Log,
		Handlers: unit.Handlers{noop: {Do: func(_ context.Context, t *unit.Task) (_ any, err error) {
			if work != nil {
				err = work(t)
			}
			if first.IsZero() {
				first = time.Now()
			}
			return nil, err
		}}},
	}
	c := &queue.Client{Store: q.store, Platform: p, Log: q.Log}
	if err := c.Submit(ctx, j); err != nil {
		return 0, err
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(working) }()
	var last time.Time
	err := c.Do(ctx, j, func(int, *unit.Result) error { last = time.Now(); return nil })
	stop()
	if werr := <-ended; !errors.Is(werr, context.Canceled) {
		err = errors.Join(err, werr)
	}
	return last.Sub(first).Seconds(), err
}

// carry is the time, in seconds, that a file of a training's state takes from a worker to the server and on to whoever
// asked for it.
func (q *queueBench) carry(ctx context.Context) (float64, error) {
	state := make([]byte, stateMB*1_000_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(state) // it never fails, and cannot be compressed
	j := noops("state", 1)
	j.Units[0].Outputs, j.Units[0].Dir = []string{"state"}, filepath.Join(q.dir, "back")
	return q.do(ctx, j, func(t *unit.Task) error {
		return os.WriteFile(filepath.Join(t.Dir, "state"), state, 0o600)
	})
}

// fill queues units that nobody does.
func (q *queueBench) fill(ctx context.Context) error {
	c := &queue.Client{Store: q.store, Platform: unit.Platform{Build: "nobody"}, Log: q.Log}
	return c.Submit(ctx, noops("waiting", q.Queued))
}

// processor is the processor time that a process has taken, in seconds.
func processor(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // from the third on, the state
	user, err := strconv.Atoi(fields[11])
	system, serr := strconv.Atoi(fields[12])
	return float64(user+system) / ticksPerSecond, errors.Join(err, serr)
}

// resident is a process's memory, in MB.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024 / 1e6, err
		}
	}
	return 0, errors.New("bench: the system tells no process's memory")
}
