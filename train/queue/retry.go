package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"korr/internal/usage"
)

// callTimeout bounds one request to the server. What carries a file has bounds of its own.
const callTimeout = 5 * time.Second

// retry calls f until it succeeds, fails for good, or ctx ends: a server that is away comes back.
func (s *Store) retry(ctx context.Context, what string, f func(context.Context) error) error {
	return s.retryWithin(ctx, callTimeout, what, f)
}

// retryWithin is retry for a call that may take so long; 0: for ever. A call ends when the connection breaks.
func (s *Store) retryWithin(ctx context.Context, limit time.Duration, what string,
	f func(context.Context) error,
) error {
	pause := 20 * time.Millisecond
	for {
		err := s.call(ctx, limit, f)
		if err == nil || lasting(err) {
			return err
		}
		if ended := context.Cause(ctx); ended != nil {
			return errors.Join(fmt.Errorf("queue: %s: %w", what, ended), err)
		}
		s.Log.Debug("queue: again", "what", what, "err", err)
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, 2*time.Second)
	}
}

func (s *Store) call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	go func() {
		select {
		case <-cut:
			cancel()
		case <-ctx.Done():
		}
	}()
	return f(ctx)
}

// errConflict says that a state is not what it was when it was read: somebody else has the unit.
var errConflict = errors.New("somebody else has the unit")

// lasting reports errors that trying again does not mend.
func lasting(err error) bool {
	var wrong *usage.Error
	for _, known := range []error{
		errConflict, errLate, jetstream.ErrKeyNotFound, jetstream.ErrObjectNotFound, nats.ErrMaxPayload,
		nats.ErrAuthorization, nats.ErrConnectionClosed,
		jetstream.ErrInvalidKey, errContent, errIncomplete,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return errors.As(err, &wrong) || outOfSequence(err)
}

// outOfSequence reports that a compare-and-set found another revision, on one server or on several.
func outOfSequence(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) &&
		(api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
			api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
