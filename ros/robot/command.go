package robot

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"korr/internal/geom"
	"korr/internal/layout"
	"korr/residual/loop"
	"korr/ros/msgs"
)

const commandDim = layout.Action

// command is what the commander publishes.
type command struct {
	pose geom.Pose
	stay *armState   // of a hold: where the arm is
	grip float64     // above the dead band closes, below opens, between keeps
	head msgs.Header // of the observation it answers
	may  loop.Permit // to go out
	done chan error  // of a hold: told when it is out
}

// commander publishes the newest command from its own goroutine, so that Write never blocks.
type commander struct {
	cfg   *Config
	arm   arm
	hand  gripper
	now   func() time.Time
	fail  func(error)
	wake  chan struct{}
	stop  context.CancelFunc
	tasks sync.WaitGroup
	ended chan struct{} // closed when run has returned

	mu     sync.Mutex
	head   msgs.Header // of the newest observation read
	next   *command    // not yet published
	last   *command    // the newest, to be repeated when asked for; commands are published in the order they were given
	closed bool
}

func newCommander(l link, a arm, cfg *Config, hold func(string), fail func(error)) (*commander, error) {
	c := &commander{cfg: cfg, arm: a, now: l.Now, fail: fail, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	var err error
	if c.hand, err = a.connect(l, cfg, hold); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.tasks.Go(func() { c.run(ctx) })
	if !cfg.LockStep {
		c.tasks.Go(func() { c.hand.run(ctx) })
	}
	return c, nil
}

// close stops the goroutines; what was not published is dropped.
func (c *commander) close() {
	c.mu.Lock()
	c.closed, c.next = true, nil
	c.mu.Unlock()
	c.stop()
	c.tasks.Wait()
}

// answering notes which observation the next command answers.
func (c *commander) answering(h msgs.Header) {
	c.mu.Lock()
	c.head = h
	c.mu.Unlock()
}

// write hands a raw command over; a command that was not published yet, and which the loop has withdrawn, is replaced.
func (c *commander) write(cmd []float32, permit loop.Permit) error {
	if len(cmd) != commandDim {
		return fmt.Errorf("robot: a command has %d values, got %d", commandDim, len(cmd))
	}
	for i, v := range cmd {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("robot: command[%d] is %g", i, v)
		}
	}
	x := &command{pose: layout.ToolAt(cmd), grip: float64(cmd[layout.Gripper]), may: permit}
	c.mu.Lock()
	defer c.mu.Unlock()
	x.head = c.head
	c.last = x
	return c.put(x)
}

// put makes x the next command to publish. It is called with mu held.
func (c *commander) put(x *command) error {
	if c.closed {
		return ErrClosed
	}
	if c.next != nil && c.next.done != nil {
		c.next.done <- errors.New("robot: a new command came before the hold was published")
	}
	c.next = x
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return nil
}

// repeat publishes the newest command again; the simulator asks for it when it has no answer to an observation.
func (c *commander) repeat() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil && c.next == nil {
		_ = c.put(c.last)
	}
}

// drop forgets every command.
func (c *commander) drop() {
	c.mu.Lock()
	c.next, c.last = nil, nil
	c.mu.Unlock()
}

// hold publishes that the arm is to stay where it is, and nothing after it until the next write.
func (c *commander) hold(ctx context.Context, at *armState) error {
	c.hand.still()
	x := &command{stay: at, head: msgs.Header{Stamp: c.now()}, done: make(chan error, 1)}
	c.mu.Lock()
	c.last = nil
	err := c.put(x)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err := <-x.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return ErrClosed
	}
}

// run publishes commands as they come.
func (c *commander) run(ctx context.Context) {
	defer close(c.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		c.mu.Lock()
		x := c.next
		c.next = nil
		c.mu.Unlock()
		if x == nil {
			continue
		}
		if err := c.publish(ctx, x); err != nil && !errors.Is(err, loop.ErrLapsed) && ctx.Err() == nil {
			c.fail(err) // a command that lapsed is the loop's business
		}
	}
}

// publish sends the gripper's part, if it changed, and then the pose. In lock step it waits in between until the
// gripper has acknowledged, so that the simulator's next step knows of it.
func (c *commander) publish(ctx context.Context, x *command) error {
	if x.done == nil {
		if err := x.may.Err(); err != nil {
			return err
		}
		if c.cfg.LockStep {
			if err := c.hand.do(ctx, x.grip); err != nil {
				return err
			}
		} else {
			c.hand.want(x.grip)
		}
	}
	h := x.head
	h.FrameId = c.cfg.Frame
	if x.done == nil {
		return c.arm.move(h, x.pose, x.may)
	}
	err := c.arm.stay(h, x.stay)
	x.done <- err
	return err
}
