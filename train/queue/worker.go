package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"korr/internal/atomicfile"
	"korr/train/unit"
)

// Worker takes units of its platform from a queue and does them, until it is stopped or has nothing to do.
type Worker struct {
	Store    *Store
	Handlers unit.Handlers
	Platform unit.Platform
	// Name is unique among the workers, and made of letters, digits, dashes and underscores; empty: of host and process.
	Name  string
	Dir   string        // of units under way and of the cache of inputs; created
	Slots int           // units at once; 0: 1
	Cores int           // for each unit; 0: as the program's settings say
	Idle  time.Duration // without a unit after which it ends; 0: never
	// Save is the least time between two checkpoints of a unit; 0: DefaultSave.
	Save time.Duration
	Log  *slog.Logger

	mu   sync.Mutex
	here presence
	last time.Time // when a unit was under way
}

// DefaultSave is the least time between two checkpoints of a unit.
const DefaultSave = time.Minute

// saveLimit bounds what an interrupted worker does for the unit that it gives back.
const saveLimit = 90 * time.Second

// Run works. It returns nil when it was idle for long enough, else the cause that ended ctx, or what keeps the queue
// from working. Interrupted units are given back, with a checkpoint if they have one.
func (w *Worker) Run(ctx context.Context) error {
	if w.Log == nil {
		w.Log = slog.Default()
	}
	if w.Name == "" {
		w.Name = ownName()
	}
	if err := os.MkdirAll(w.Dir, 0o755); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	dir, held, err := atomicfile.TempDir(filepath.Join(w.Dir, "units")) // and what killed workers left there goes
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	defer func() { _ = errors.Join(os.RemoveAll(dir), held.Close()) }()
	lane := w.Platform.Lane()
	from, err := w.Store.consumer(ctx, lane)
	if err != nil {
		return err
	}
	w.here = presence{Lane: lane, Platform: w.Platform, Slots: max(1, w.Slots), Since: time.Now()}
	w.last = time.Now()
	own, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var slots, beat sync.WaitGroup
	for i := range w.here.Slots {
		slots.Go(func() {
			s := &slot{Worker: w, dir: filepath.Join(dir, fmt.Sprint(i)), from: from, inputs: &cache{
				store: w.Store,
				dir:   filepath.Join(w.Dir, "inputs"),
			}}
			if err := s.loop(own); err != nil {
				stop(err)
			}
		})
	}
	over := make(chan struct{})
	beat.Go(func() { w.beat(ctx, over) })
	slots.Wait()
	close(over)
	beat.Wait()
	if err := context.Cause(own); err != nil {
		return err
	}
	return nil
}

// ownName is a name that no other worker has.
func ownName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	name := []rune(fmt.Sprintf("%s-%d-%s", host, os.Getpid(), time.Now().Format("150405")))
	for i, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9') {
			name[i] = '-'
		}
	}
	return string(name)
}

// beat says every third of a lease that the worker is there, and at the end that it is gone.
func (w *Worker) beat(ctx context.Context, over <-chan struct{}) {
	every := time.NewTicker(max(w.Store.lease/3, 200*time.Millisecond))
	defer every.Stop()
	for {
		w.mu.Lock()
		text, err := json.Marshal(w.here)
		w.mu.Unlock()
		if err == nil {
			call, cancel := context.WithTimeout(ctx, callTimeout)
			_, err = w.Store.here.Put(call, w.Name, text)
			cancel()
		}
		if err != nil {
			w.Log.Debug("worker: cannot say that it is there", "err", err)
		}
		select {
		case <-every.C:
		case <-over:
			call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
			defer cancel()
			_ = w.Store.here.Delete(call, w.Name) // it expires anyway
			return
		}
	}
}

func (w *Worker) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
}

func (w *Worker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Idle > 0 && len(w.here.Busy) == 0 && time.Since(w.last) > w.Idle
}

// enter and leave keep the list of units under way.
func (w *Worker) enter(q *queued) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.here.Busy = append(w.here.Busy, busy{ID: q.ID, Name: q.Unit.Name, Since: time.Now()})
}

func (w *Worker) leave(id unit.ID, count func(*presence)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, b := range w.here.Busy {
		if b.ID == id {
			w.here.Busy = append(w.here.Busy[:i:i], w.here.Busy[i+1:]...)
			break
		}
	}
	count(&w.here)
}

func (w *Worker) progress(id unit.ID, done, total int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.here.Busy {
		if w.here.Busy[i].ID == id {
			w.here.Busy[i].Done, w.here.Busy[i].Total = done, total
		}
	}
}
