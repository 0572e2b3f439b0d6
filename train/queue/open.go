package queue

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"korr/train/unit"
)

// Patience is how long a command waits for a queue that does not answer.
const Patience = 10 * time.Second

// Opening says who submits, and who works where a queue is embedded.
type Opening struct {
	Platform unit.Platform
	Handlers unit.Handlers // of the embedded queue's own worker
	Cores    int           // of that worker
	Log      *slog.Logger
}

// Open finds the queue at an address, or begins the embedded one that it asks for, with a worker of its own. The
// executor's units are done there; the function ends what was begun, not the work.
func Open(ctx context.Context, address string, o Opening) (*Client, func(), error) {
	dir, embedded := EmbeddedDir(address)
	if !embedded {
		store, err := Connect(ctx, address, o.Log, Patience)
		if err != nil {
			return nil, nil, err
		}
		context.AfterFunc(ctx, func() {
			o.Log.Warn("interrupted: what is queued goes on as long as there are workers; the same command joins it again",
				"queue", store.Join.Host())
		})
		return &Client{Store: store, Platform: o.Platform, Log: o.Log}, store.Close, nil
	}
	server, err := Serve(ctx, Settings{Dir: dir, Listen: "127.0.0.1:0", Log: o.Log})
	if errors.Is(err, ErrServed) { // another command's
		return Open(ctx, dir, o)
	}
	if err != nil {
		return nil, nil, err
	}
	store, err := Dial(ctx, server.Join, o.Log, Patience)
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	o.Log.Info("queue is up: others help by korr worker --join "+dir, "address", server.Join.Host())
	own, stop := context.WithCancelCause(ctx)
	w := &Worker{
		Store: store, Handlers: o.Handlers, Platform: o.Platform, Dir: filepath.Join(dir, "work"), Cores: o.Cores,
		Log: o.Log,
	}
	var working sync.WaitGroup
	working.Go(func() {
		if err := w.Run(own); err != nil && context.Cause(own) == nil {
			o.Log.Error("this command's own worker has ended; others may go on", "err", err)
		}
	})
	return &Client{Store: store, Platform: o.Platform, Log: o.Log}, func() {
		stop(nil)
		working.Wait()
		store.Close()
		if err := server.Close(); err != nil {
			o.Log.Warn("queue", "err", err)
		}
	}, nil
}
