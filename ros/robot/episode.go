package robot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"korr/residual/loop"
	"korr/ros/msgs"
)

// ErrEpisodeOver is the cause of an episode's context ending by itself.
var ErrEpisodeOver = errors.New("the episode is over")

// EpisodeError means that the simulator ended the episode because it failed.
type EpisodeError struct {
	Seed   uint64
	Step   uint32
	Reason string
}

// Error implements error.
func (e *EpisodeError) Error() string {
	return fmt.Sprintf("the simulator failed in step %d of the episode with seed %d: %s", e.Step, e.Seed, e.Reason)
}

// Reset starts the simulator's episode of a seed and forgets all that came before it. While the simulator is not
// there yet it is asked again until ctx ends.
func (r *Robot) Reset(ctx context.Context, seed uint64) error {
	if r.resets == nil || r.out == nil {
		return errors.New("robot: only a robot over ROS 1 that may move has a simulator to reset")
	}
	r.out.drop()
	r.mu.Lock()
	r.resetting = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.resetting = false
		r.mu.Unlock()
	}()
	var res *msgs.ResetRes
	for {
		var err error
		if res, err = r.resets.Call(ctx, &msgs.ResetReq{Seed: seed}); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("reset the simulator: %w", err)
		case <-r.link.Done():
			return r.link.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	if !res.Success {
		return fmt.Errorf("reset the simulator to seed %d: %s", seed, res.Message)
	}
	r.out.hand.forget()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = res.Stamp
	r.arm.forget()
	r.observe.belief.Forget()
	r.result, r.over = nil, make(chan struct{})
	r.newest.forget(r.since) // what came before the response stays if it belongs to the new episode
	r.ready.forget(r.since)
	if r.stamps != nil {
		r.stamps.forget(r.since)
	}
	return nil
}

// Episode returns a context that ends, with the cause ErrEpisodeOver, when the simulator's current episode does.
func (r *Robot) Episode(ctx context.Context) (context.Context, context.CancelFunc) {
	r.mu.Lock()
	over := r.over
	r.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-over:
			cancel(ErrEpisodeOver)
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(context.Canceled)
		<-done
	}
}

// Result is how the current episode ended; nil while it goes on.
func (r *Robot) Result() *msgs.SimState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result
}

// Run drives one episode of a simulator with the loop and returns its result. The policy must be reset by the caller.
// cfg.LockStep must be that of the robot. The error is the loop's, or an *EpisodeError.
func (r *Robot) Run(ctx context.Context, policy loop.Stepper, cfg loop.Config, seed uint64) (*msgs.SimState, error) {
	if err := r.Reset(ctx, seed); err != nil {
		return nil, err
	}
	l, err := r.newLoop(policy, cfg)
	if err != nil {
		return nil, err
	}
	episode, cancel := r.Episode(ctx)
	defer cancel()
	r.Attach(l)
	l.Enable(true)
	err = l.Run(episode)
	res := r.Result()
	switch {
	case res == nil:
		return nil, err
	case res.Error != "":
		return res, &EpisodeError{Seed: res.Seed, Step: res.Step, Reason: res.Error}
	case errors.Is(context.Cause(episode), ErrEpisodeOver) && errors.Is(err, context.Canceled):
		return res, nil
	}
	return res, err
}
