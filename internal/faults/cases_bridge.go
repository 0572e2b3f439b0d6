package faults

import (
	"context"
	"syscall"
	"time"
)

// bridgeFaults are what only a client of a rosbridge server suffers.
func bridgeFaults() []Case {
	lost := []string{"the rosbridge server is lost"}
	enable := func(ctx context.Context, w *world) error { return w.persist(ctx, w.enabled) }
	cases := []Case{
		{
			Name: "rosbridge server killed", State: hold, Recovery: "server started again; " + enabling, says: lost,
			strike: func(_ context.Context, w *world) (time.Time, error) {
				at := time.Now()
				w.bridge.kill()
				return at, nil
			},
			heal: func(ctx context.Context, w *world) error {
				if err := w.startBridge(); err != nil {
					return err
				}
				return w.persist(ctx, w.enabled)
			},
		},
		{
			Name: "rosbridge server frozen (SIGSTOP)", State: hold, Recovery: "SIGCONT; " + enabling, says: append(lost, old...),
			strike: func(_ context.Context, w *world) (time.Time, error) {
				return time.Now(), w.bridge.signal(syscall.SIGSTOP)
			},
			heal: func(ctx context.Context, w *world) error {
				time.Sleep(10 * w.period()) // it counts as lost, and what it held back is old
				if err := w.bridge.signal(syscall.SIGCONT); err != nil {
					return err
				}
				return enable(ctx, w)
			},
		},
		{
			Name: "rosbridge connection cut", State: hold, Recovery: "it comes back by itself; " + enabling, says: lost,
			strike: func(_ context.Context, w *world) (time.Time, error) {
				from := w.bridge.count()
				if err := w.bridge.signal(syscall.SIGUSR1); err != nil {
					return time.Time{}, err
				}
				l, err := w.bridge.after(from, 5*time.Second, func(l *line) bool { return l.Msg == cutConnections })
				return l.Time, err
			},
			heal: enable,
		},
	}
	for i := range cases {
		cases[i].links = overBridge
	}
	return cases
}
