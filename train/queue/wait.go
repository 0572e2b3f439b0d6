package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"korr/train/unit"
)

// resync is how often a submitter that hears nothing looks for itself.
const resync = 15 * time.Second

// wait hears of the units until all are done or parked.
func (w *waiting) wait(ctx context.Context, done func(i int, r *unit.Result) error) error {
	for {
		over, err := w.watch(ctx, done)
		switch {
		case err != nil:
			return err
		case over && len(w.bad) > 0:
			return w.parked()
		case over:
			return nil
		}
		if err := w.enqueue(ctx, false); err != nil { // what a server lost with its disk
			return err
		}
	}
}

// watch hears of units until all are settled, the server was away, or nothing was heard for a while.
func (w *waiting) watch(ctx context.Context, done func(i int, r *unit.Result) error) (over bool, err error) {
	var feed jetstream.KeyWatcher
	if err := w.Store.retry(ctx, "watch the units", func(context.Context) error {
		feed, err = w.Store.state.WatchAll(ctx, jetstream.IgnoreDeletes())
		return err
	}); err != nil {
		return false, err
	}
	defer func() { _ = feed.Stop() }()
	quiet := time.NewTimer(resync)
	defer quiet.Stop()
	for !w.over() {
		select {
		case e, open := <-feed.Updates():
			if !open {
				return false, sleep(ctx, 200*time.Millisecond)
			}
			if e == nil {
				continue // that was all there is so far
			}
			if err := w.hear(ctx, unit.ID(e.Key()), e.Value(), done); err != nil {
				return false, err
			}
			quiet.Reset(resync)
		case <-w.Store.reconnected:
			return false, nil
		case <-quiet.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// hear takes up a unit's state.
func (w *waiting) hear(ctx context.Context, id unit.ID, value []byte, done func(i int, r *unit.Result) error) error {
	at, mine := w.index[id]
	if !mine || w.ended[id] {
		return nil
	}
	var st State
	if err := json.Unmarshal(value, &st); err != nil {
		return fmt.Errorf("queue: state of %s: %w", id, err)
	}
	switch st.Phase {
	case Parked:
		if w.bad[id] != st.Error {
			w.Log.Error("a unit is parked", "unit", st.Name, "err", st.Error)
		}
		w.bad[id] = st.Error
	case Done:
		delete(w.bad, id)
		w.ended[id] = true
		for _, i := range at {
			if err := w.collect(ctx, i, st.Result); err != nil {
				return fmt.Errorf("%s: %w", w.units[i].Name, err)
			}
			if err := done(i, st.Result); err != nil {
				return err
			}
		}
	default:
		delete(w.bad, id)
	}
	return nil
}

// collect puts the outputs of unit i where its submitter wants them.
func (w *waiting) collect(ctx context.Context, i int, r *unit.Result) error {
	dir := w.job.Units[i].Dir
	if dir == "" {
		return nil
	}
	for _, o := range w.units[i].Outputs {
		if had, err := unit.Digest(filepath.Join(dir, filepath.FromSlash(o))); err == nil && had == r.Files[o] {
			continue // it was fetched before
		}
		if err := w.Store.fetch(ctx, r.Files[o], slices.Contains(r.Folders, o), filepath.Join(dir,
			filepath.FromSlash(o))); err != nil {
			return fmt.Errorf("output %s: %w", o, err)
		}
	}
	return nil
}

// over reports whether no unit can still be done by itself.
func (w *waiting) over() bool {
	if len(w.bad) == 0 {
		return len(w.ended) == len(w.index)
	}
	for _, id := range w.ids {
		if !w.ended[id] && !w.stuck(id, 0) {
			return false
		}
	}
	return true
}

// stuck reports whether a unit is parked, or waits for one that is.
func (w *waiting) stuck(id unit.ID, depth int) bool {
	if _, bad := w.bad[id]; bad {
		return true
	}
	at, mine := w.index[id]
	if !mine || depth > len(w.ids) {
		return false
	}
	for _, in := range w.units[at[0]].Inputs {
		if in.Unit != "" && !w.ended[in.Unit] && w.stuck(in.Unit, depth+1) {
			return true
		}
	}
	return false
}

func (w *waiting) parked() error {
	e := &ParkedError{Of: len(w.ids)}
	for i, id := range w.ids {
		if why, bad := w.bad[id]; bad {
			e.Units = append(e.Units, ParkedUnit{w.units[i].Name, why})
		}
	}
	return e
}
