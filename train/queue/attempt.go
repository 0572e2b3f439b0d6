package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"korr/train/unit"
)

// attempt is a unit under way.
type attempt struct {
	*slot
	q     *queued
	claim *claim
	msg   jetstream.Msg
	log   *slog.Logger

	handler unit.Handler
	dir     string
	saving  sync.Mutex
	saved   map[string]time.Time // the checkpoint's files as they were when they were stored last
}

// do does the unit and stores its result.
func (a *attempt) do(ctx context.Context) (err error) {
	a.dir = filepath.Join(a.slot.dir, string(a.q.ID))
	if err := errors.Join(os.RemoveAll(a.dir), os.MkdirAll(a.dir, 0o755)); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(a.dir) }()
	ctx, stop := context.WithCancelCause(ctx)
	var keeping, saving sync.WaitGroup
	over := make(chan struct{})
	defer func() {
		close(over)
		keeping.Wait()
		stop(nil)
	}()
	keeping.Go(func() { a.keep(ctx, stop, over) })
	a.handler = a.Handlers[a.q.Unit.Kind]
	t, err := a.task(ctx)
	if err != nil {
		return err
	}
	during, enough := context.WithCancel(ctx)
	saving.Go(func() { a.saves(during, stop) })
	r, err := a.Handlers.Do(ctx, t, a.Name)
	enough()
	saving.Wait() // a checkpoint after the result would be one of a finished unit
	if cause := context.Cause(ctx); cause != nil {
		if !errors.Is(cause, errLate) && err != nil {
			a.saveLast(ctx)
		}
		if err != nil {
			return cause
		}
	}
	if err != nil {
		return err
	}
	// What is done is stored, also by a worker that is told to end.
	done, cancel := lingering(ctx, saveLimit)
	defer cancel()
	if err := a.upload(done, r); err != nil {
		return err
	}
	return a.claim.finish(done, r)
}

// lingering is a context that ends so long after ctx.
func lingering(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(limit, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() { stop(); cancel() }
}

// task is the unit with its inputs on this machine and what was saved of it.
func (a *attempt) task(ctx context.Context) (*unit.Task, error) {
	u := &a.q.Unit
	t := &unit.Task{
		Unit: u, Dir: a.dir, Log: a.log, Parallel: a.Cores, Files: map[string]string{},
		Progress: func(done, total int) { a.progress(a.q.ID, done, total) },
	}
	for name, in := range u.Inputs {
		digest, folder := in.Digest, in.Folder
		if in.Unit != "" {
			var err error
			if t.Files[name], err = a.made(ctx, in); err != nil {
				return nil, fmt.Errorf("input %s: %w", name, err)
			}
			continue
		}
		if in.As != filepath.Base(in.As) || in.As == "." || in.As == ".." {
			return nil, fmt.Errorf("input %s: %q is no file name", name, in.As)
		}
		path, err := a.inputs.path(ctx, digest, folder, in.As)
		if err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		t.Files[name] = path
	}
	again, err := a.claim.restore(ctx, a.dir)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	a.saved = a.newest()
	if again {
		a.log.Info("goes on from a checkpoint", "saves", a.claim.state.Saves)
	}
	return t, nil
}

// made is the path of an output of another unit, or of a file below one.
func (a *attempt) made(ctx context.Context, in unit.Input) (string, error) {
	var st State
	if _, err := a.Store.get(ctx, a.Store.state, string(in.Unit), &st); err != nil {
		return "", err
	}
	if st.Phase != Done {
		return "", fmt.Errorf("unit %s, which makes it, is not done", in.Unit)
	}
	for output, digest := range st.Result.Files {
		if output != in.Output && !strings.HasPrefix(in.Output, output+"/") {
			continue
		}
		name := filepath.Base(filepath.FromSlash(output))
		path, err := a.inputs.path(ctx, digest, slices.Contains(st.Result.Folders, output), name)
		return filepath.Join(path, filepath.FromSlash(strings.TrimPrefix(in.Output, output))), err
	}
	return "", fmt.Errorf("unit %s made no %s", in.Unit, in.Output)
}

// upload stores the outputs.
func (a *attempt) upload(ctx context.Context, r *unit.Result) error {
	for _, o := range a.q.Unit.Outputs {
		path := filepath.Join(a.dir, filepath.FromSlash(o))
		digest, err := unit.Digest(path)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := a.Store.putPath(ctx, digest, path); err != nil {
			return err
		}
		if r.Files == nil {
			r.Files = map[string]string{}
		}
		if r.Files[o] = digest; info.IsDir() {
			r.Folders = append(r.Folders, o)
		}
	}
	return nil
}

// keep extends the lease and sees that the unit is still this worker's, until over; of a worker that is told to end,
// for as long as it may take to store what it has. Storing checkpoints is saves' business: one that takes long must not
// cost the lease.
func (a *attempt) keep(ctx context.Context, stop context.CancelCauseFunc, over <-chan struct{}) {
	beat := time.NewTicker(a.Store.lease / 3)
	defer beat.Stop()
	last, end := context.WithoutCancel(ctx), ctx.Done()
	for {
		select {
		case <-over:
			return
		case <-end:
			var cancel context.CancelFunc
			last, cancel = context.WithTimeout(last, saveLimit)
			defer cancel()
			end = nil
		case <-last.Done():
			return
		case <-beat.C:
			if errors.Is(context.Cause(ctx), errLate) {
				return
			}
			if err := a.msg.InProgress(); err != nil {
				a.log.Debug("the lease is not extended", "err", err)
			}
			if err := a.claim.held(last); errors.Is(err, errLate) {
				stop(errLate)
			}
		}
	}
}

// end notes how the attempt ended and answers its message.
func (a *attempt) end(ctx context.Context, err error) error {
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveLimit)
	defer cancel()
	switch {
	case err == nil:
		a.leave(a.q.ID, func(p *presence) { p.Done++ })
		a.log.Info("unit done")
		return a.close(note, a.msg, a.q.ID)
	case errors.Is(err, errLate):
		a.leave(a.q.ID, func(p *presence) { p.Late++ })
		return a.late(note, err)
	case context.Cause(ctx) != nil:
		a.leave(a.q.ID, func(*presence) {})
		if err := a.claim.release(note); err != nil {
			a.log.Warn("not given back: the lease has to run out", "err", err)
			return nil
		}
		a.log.Info("unit given back")
		_ = a.msg.Nak()
		return nil
	}
	a.leave(a.q.ID, func(p *presence) { p.Failed++ })
	parked, ferr := a.claim.fail(note, err)
	switch {
	case errors.Is(ferr, errLate):
		return a.late(note, errors.Join(ferr, err))
	case ferr != nil:
		return ferr
	case parked:
		a.log.Error("unit parked", "err", err)
		return a.answer(note, a.msg)
	default:
		a.log.Warn("unit failed, it will be tried again", "err", err)
		_ = a.msg.NakWithDelay(retryPause)
	}
	return nil
}

// late drops what was done of a unit that went to another worker.
func (a *attempt) late(ctx context.Context, err error) error {
	a.log.Warn("late", "err", err)
	return a.Store.spare(ctx, a.q.ID)
}
