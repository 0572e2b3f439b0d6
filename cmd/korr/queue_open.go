package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"korr/train/queue"
	"korr/train/unit"
)

// queueFlag adds the flag by which a verb's units are done elsewhere.
func queueFlag(f *pflag.FlagSet, address *string) {
	f.StringVar(address, "queue", "", "spread the work: embedded (a queue of its own, which workers may join), or the "+
		"`address` of one: "+
		"nats:// or tls:// URL, or the folder in which korr queue serve keeps it; empty = in this process")
}

// queueWait is how long a command waits for a queue that does not answer.
const queueWait = 10 * time.Second

// executor does a job's units in this process by h when address is empty, else through the queue there, where workers
// do them by the app's handlers. close ends what it started, not the work.
func (a *app) executor(ctx context.Context, address string, h unit.Handlers) (x unit.Executor, closeIt func(),
	err error,
) {
	if address == "" {
		return a.local(h), func() {}, nil
	}
	p, err := platform()
	if err != nil {
		return nil, nil, err
	}
	dir, embedded := queue.EmbeddedDir(address)
	if !embedded {
		store, err := queue.Connect(ctx, address, a.Log, queueWait)
		if err != nil {
			return nil, nil, err
		}
		context.AfterFunc(ctx, func() {
			a.Log.Warn("interrupted: what is queued goes on as long as there are workers; the same command joins it again",
				"queue", store.Join.Host())
		})
		return &queue.Client{Store: store, Platform: p, Log: a.Log}, store.Close, nil
	}
	server, err := queue.Serve(ctx, queue.Settings{Dir: dir, Listen: "127.0.0.1:0", Log: a.Log})
	if errors.Is(err, queue.ErrServed) { // another command's
		return a.executor(ctx, dir, h)
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := queue.Dial(ctx, server.Join, a.Log, queueWait)
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	a.Log.Info("queue is up: others help by korr worker --join "+dir, "address", server.Join.Host())
	own, stop := context.WithCancelCause(ctx)
	w := &queue.Worker{
		Store: store, Handlers: a.handlers(), Platform: p, Dir: filepath.Join(dir, "work"),
		Cores: a.workers(), Log: a.Log,
	}
	var working sync.WaitGroup
	working.Go(func() {
		if err := w.Run(own); err != nil && context.Cause(own) == nil {
			a.Log.Error("this command's own worker has ended; others may go on", "err", err)
		}
	})
	return &queue.Client{Store: store, Platform: p, Log: a.Log}, func() {
		stop(nil)
		working.Wait()
		store.Close()
		if err := server.Close(); err != nil {
			a.Log.Warn("queue", "err", err)
		}
	}, nil
}
