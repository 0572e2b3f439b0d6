package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"korr/train/unit"
)

// errLate says that a worker lost a unit while it did it: what it comes to does not count.
var errLate = errors.New("the unit went to another worker meanwhile: what was done here is dropped")

// claim is a unit that a worker has. Its methods may be called from several goroutines.
type claim struct {
	store *Store
	id    unit.ID

	mu    sync.Mutex
	rev   uint64 // of the state as this worker wrote it last
	state State
}

// claim takes a unit for a worker. A nil claim and no error: the unit is settled, as the state says.
func (s *Store) claim(ctx context.Context, q *queued, lane, worker string) (*claim, *State, error) {
	var st State
	rev, err := s.get(ctx, s.state, string(q.ID), &st)
	if err != nil {
		return nil, nil, err
	}
	if rev != 0 && st.settled() {
		return nil, &st, nil
	}
	if st.Tries >= MaxTries { // whoever had it last time is gone without a word
		lost := fmt.Sprintf("%d workers began it and were gone before it got any further, the last was %s",
			st.Tries, st.Worker)
		if st.Error != "" {
			lost += "; before: " + st.Error
		}
		st.Phase, st.Error, st.Since = Parked, lost, time.Now()
		_, err := s.set(ctx, s.state, string(q.ID), &st, rev)
		return nil, &st, err
	}
	st.Name, st.Kind, st.Lane, st.Phase, st.Worker = q.Unit.Name, q.Unit.Kind, lane, Running, worker
	st.Epoch, st.Tries, st.Since = st.Epoch+1, st.Tries+1, time.Now()
	if rev, err = s.set(ctx, s.state, string(q.ID), &st, rev); err != nil {
		return nil, nil, err
	}
	return &claim{store: s, id: q.ID, rev: rev, state: st}, nil, nil
}

// write changes the state; the error is errLate when the unit is another worker's.
func (c *claim) write(ctx context.Context, change func(*State)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		next := c.state
		change(&next)
		rev, err := c.store.set(ctx, c.store.state, string(c.id), &next, c.rev)
		switch {
		case err == nil:
			c.state, c.rev = next, rev
			return nil
		case !errors.Is(err, errConflict):
			return err
		}
		if err := c.renew(ctx); err != nil {
			return err
		}
	}
}

// renew reads the state anew: a worker that came late may have given a try back meanwhile, and nothing else changes the
// state of a unit under way but a claim of another worker's, which makes this one late.
func (c *claim) renew(ctx context.Context) error {
	var now State
	rev, err := c.store.get(ctx, c.store.state, string(c.id), &now)
	switch {
	case err != nil:
		return err
	case rev == 0 || now.Epoch != c.state.Epoch || now.settled():
		return errLate
	}
	c.state.Tries, c.rev = now.Tries, rev
	return nil
}

// spare gives back the try of a claim that came late: its worker lives, so the unit did not take it down. Who has the
// unit now keeps it, since its epoch is the same.
func (s *Store) spare(ctx context.Context, id unit.ID) error {
	for {
		var st State
		rev, err := s.get(ctx, s.state, string(id), &st)
		if err != nil || rev == 0 || st.settled() || st.Tries <= 1 {
			return err
		}
		st.Tries--
		if _, err = s.set(ctx, s.state, string(id), &st, rev); !errors.Is(err, errConflict) {
			return err
		}
	}
}

// held is nil while the unit is this worker's, errLate when it is not, another error when that cannot be told now.
func (c *claim) held(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	e, err := c.store.state.Get(ctx, string(c.id))
	if err == nil && e.Revision() != c.rev {
		return c.renew(ctx)
	}
	return err
}

// finish stores the result.
func (c *claim) finish(ctx context.Context, r *unit.Result) error {
	var last string
	err := c.write(ctx, func(s *State) {
		last = s.Checkpoint
		s.Phase, s.Tries, s.Error, s.Checkpoint, s.Result, s.Since = Done, 0, "", "", r, time.Now()
	})
	if err == nil && last != "" {
		c.store.dropCheckpoint(ctx, last)
	}
	return err
}

// release gives the unit back: no try was lost.
func (c *claim) release(ctx context.Context) error {
	return c.write(ctx, func(s *State) { s.Phase, s.Tries, s.Since = Released, max(0, s.Tries-1), time.Now() })
}

// fail notes a failure, and reports whether the unit is parked.
func (c *claim) fail(ctx context.Context, cause error) (parked bool, err error) {
	err = c.write(ctx, func(s *State) {
		s.Phase, s.Error, s.Since = Failed, cause.Error(), time.Now()
		if parked = s.Tries >= MaxTries; parked {
			s.Phase = Parked
		}
	})
	return parked, err
}
