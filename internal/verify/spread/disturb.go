package spread

import (
	"context"
	"errors"
	"syscall"
	"time"

	"korr/train/queue"
	"korr/train/sweep"
	"korr/train/unit"
)

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
	p := r.workers[paused]
	if err := p.signal(syscall.SIGCONT); err != nil {
		return nil, err
	}
	return sweep, r.until(ctx, "the paused worker drops what it did", func() (bool, error) {
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
			if st.Kind == sweep.Kind && st.Phase == queue.Done {
				left--
			}
		}
		if left == 0 {
			return false, errors.New("every training was over before a worker could be paused in it: --steps of the sweep are " +
				"too few here")
		}
		for worker = range r.workers {
			for unitID, st := range all {
				if st.Phase != queue.Running || st.Kind != sweep.Kind || st.Saves == 0 && left > 1 ||
					st.Worker != r.workers[worker].name {
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

// breath is a random pause between disturbances.
func (r *run) breath(ctx context.Context) error {
	return r.pause(ctx, time.Duration(100+r.rng.IntN(600))*time.Millisecond)
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
			all, err := r.store.Units(ctx)
			if err != nil {
				return err
			}
			spare := false
			for _, st := range all {
				spare = spare || st.Phase == queue.Running && st.Worker == w.name && st.Tries > 1
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
