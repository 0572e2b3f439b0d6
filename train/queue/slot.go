package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"korr/train/unit"
)

// slot does one unit at a time.
type slot struct {
	*Worker
	dir    string
	from   jetstream.Consumer
	inputs *cache
}

// fetchWait is how long a slot waits for a unit before it looks whether it is to end.
const fetchWait = 2 * time.Second

// loop takes units; nil when the worker was idle for long enough or ctx ended.
func (s *slot) loop(ctx context.Context) error {
	for context.Cause(ctx) == nil {
		msg, err := s.next(ctx)
		switch {
		case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrAuthorization):
			return fmt.Errorf("worker: %w", err)
		case err != nil: // the server is away
			s.Log.Debug("worker: no units", "err", err)
			_ = sleep(ctx, 500*time.Millisecond)
			s.touch()
		case msg == nil:
			if s.idle() {
				return nil
			}
		default:
			s.touch()
			if err := s.take(ctx, msg); err != nil {
				return err
			}
			s.touch()
		}
	}
	return nil
}

// next waits for a message; nil when none came.
func (s *slot) next(ctx context.Context) (jetstream.Msg, error) {
	wait := fetchWait
	if s.Idle > 0 {
		wait = min(wait, max(s.Idle/2, 100*time.Millisecond))
	}
	call, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	batch, err := s.from.Fetch(1, jetstream.FetchContext(call))
	if err != nil {
		return nil, err
	}
	for msg := range batch.Messages() {
		return msg, nil
	}
	if err := batch.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.Is(err, context.Canceled) {
		return nil, err
	}
	return nil, nil
}

// retryPause is how long a failed unit rests before its next try.
const retryPause = time.Second

// take does the unit of a message as far as it can be done, and answers the message. The error is what keeps this
// worker from doing any unit.
func (s *slot) take(ctx context.Context, msg jetstream.Msg) error {
	var q queued
	if err := json.Unmarshal(msg.Data(), &q); err != nil || !strings.HasSuffix(msg.Subject(), "."+string(q.ID)) {
		s.Log.Error("worker: a message is no unit, and goes", "subject", msg.Subject(), "err", err)
		return msg.Term()
	}
	c, settled, err := s.Store.claim(ctx, &q, s.Platform.Lane(), s.Name)
	switch {
	case errors.Is(err, errConflict):
		_ = msg.NakWithDelay(retryPause) // another took it at this moment; see what became of it
		return nil
	case err != nil:
		_ = msg.Nak()
		if context.Cause(ctx) != nil {
			return nil
		}
		return err
	case settled != nil && settled.Phase == Parked:
		s.Log.Error("unit parked", "unit", q.Unit.Name, "err", settled.Error)
		return s.answer(ctx, msg)
	case settled != nil:
		return s.close(ctx, msg, q.ID)
	}
	log := s.Log.With("unit", q.Unit.Name, "epoch", c.state.Epoch)
	log.Info("unit begun", "try", c.state.Tries)
	s.enter(&q)
	a := &attempt{slot: s, q: &q, claim: c, msg: msg, log: log}
	err = a.do(ctx)
	return a.end(ctx, err)
}

// close finishes what follows a unit's end: those that waited for it are queued, and only then its message goes.
func (s *slot) close(ctx context.Context, msg jetstream.Msg, id unit.ID) error {
	if err := s.Store.follow(ctx, s.Platform.Lane(), id); err != nil {
		_ = msg.Nak()
		if context.Cause(ctx) != nil {
			return nil
		}
		return err
	}
	return s.answer(ctx, msg)
}

// answer acknowledges a message; one whose answer does not arrive comes again, and is found settled.
func (s *slot) answer(ctx context.Context, msg jetstream.Msg) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := msg.DoubleAck(ctx); err != nil {
		s.Log.Debug("worker: the answer is lost", "err", err)
	}
	return nil
}
