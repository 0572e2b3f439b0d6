package robot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"korr/internal/geom"
	"korr/ros/action"
	"korr/ros/msgs"
	"korr/ros/node"
)

const (
	commandDim = 10
	deadBand   = 0.019 // of the gripper's action, as in the simulator
)

// command is what the commander publishes.
type command struct {
	pose geom.Pose
	grip float64     // above the dead band closes, below opens, between keeps
	head msgs.Header // of the observation it answers
	done chan error  // of a hold: told when it is out
}

// commander publishes the newest command from its own goroutine, so that Write never blocks.
type commander struct {
	cfg   *Config
	log   *slog.Logger
	pose  *node.Publisher[msgs.PoseStamped]
	hand  *hand
	fail  func(error)
	wake  chan struct{}
	stop  context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	head   msgs.Header // of the newest observation read
	next   *command    // not yet published
	last   *command    // the newest, to be repeated when asked for; commands are published in the order they were given
	closed bool
}

func newCommander(n *node.Node, cfg *Config, hold func(string), fail func(error)) (*commander, error) {
	c := &commander{cfg: cfg, log: cfg.Logger, fail: fail, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	var err error
	if c.pose, err = node.Advertise[msgs.PoseStamped](n, msgs.CommandTopic, false); err != nil {
		return nil, err
	}
	if c.hand, err = newHand(n, cfg, hold); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go c.run(ctx)
	if !cfg.LockStep {
		go c.hand.run(ctx)
	} else {
		close(c.hand.ended)
	}
	return c, nil
}

// close stops the goroutines; what was not published is dropped.
func (c *commander) close() {
	c.mu.Lock()
	c.closed, c.next = true, nil
	c.mu.Unlock()
	c.stop()
	<-c.ended
	<-c.hand.ended
}

// answering notes which observation the next command answers.
func (c *commander) answering(h msgs.Header) {
	c.mu.Lock()
	c.head = h
	c.mu.Unlock()
}

// write hands a raw command over; a command that was not published yet is replaced.
func (c *commander) write(cmd []float32) error {
	if len(cmd) != commandDim {
		return fmt.Errorf("robot: a command has %d values, got %d", commandDim, len(cmd))
	}
	for i, v := range cmd {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("robot: command[%d] is %g", i, v)
		}
	}
	x := &command{pose: geom.Pose{P: geom.VecAt(cmd), Q: geom.Rot6DAt(cmd[3:9]).Quat()}, grip: float64(cmd[9])}
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

// hold publishes a pose, and nothing after it until the next write.
func (c *commander) hold(ctx context.Context, pose geom.Pose) error {
	for _, v := range append(pose.P[:], pose.Q[:]...) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			c.drop()
			return ErrNoPose
		}
	}
	x := &command{pose: pose, head: msgs.Header{Stamp: time.Now()}, done: make(chan error, 1)}
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
		if err := c.publish(ctx, x); err != nil && ctx.Err() == nil {
			c.fail(err)
		}
	}
}

// publish sends the gripper's part, if it changed, and then the pose. In lock step it waits in between until the
// gripper has acknowledged, so that the simulator's next step knows of it.
func (c *commander) publish(ctx context.Context, x *command) error {
	if x.done == nil {
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
	c.pose.Write(&msgs.PoseStamped{Header: h, Pose: msgs.PoseOf(x.pose)})
	if x.done != nil {
		x.done <- nil
	}
	return nil
}

// hand commands the gripper on a change.
type hand struct {
	cfg   *Config
	log   *slog.Logger
	grasp *action.Client[msgs.GraspActionGoal, msgs.GraspActionResult]
	move  *action.Client[msgs.MoveActionGoal, msgs.MoveActionResult]
	hold  func(string)
	wake  chan struct{}
	ended chan struct{}

	mu     sync.Mutex
	wanted float64 // sign of the newest command beyond the dead band
	sent   float64 // sign of the last goal acknowledged; 0 = none
}

func newHand(n *node.Node, cfg *Config, hold func(string)) (*hand, error) {
	h := &hand{cfg: cfg, log: cfg.Logger, hold: hold, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	var err, err2 error
	h.grasp, err = action.NewClient[msgs.GraspActionGoal, msgs.GraspActionResult](n, msgs.GripperAction+"grasp")
	h.move, err2 = action.NewClient[msgs.MoveActionGoal, msgs.MoveActionResult](n, msgs.GripperAction+"move")
	return h, errors.Join(err, err2)
}

// want notes a gripper command; run acts on it.
func (h *hand) want(grip float64) {
	if math.Abs(grip) <= deadBand {
		return
	}
	h.mu.Lock()
	h.wanted = math.Copysign(1, grip)
	changed := h.wanted != h.sent
	h.mu.Unlock()
	if changed {
		select {
		case h.wake <- struct{}{}:
		default:
		}
	}
}

// forget makes the next command count as a change: a new episode began.
func (h *hand) forget() {
	h.mu.Lock()
	h.wanted, h.sent = 0, 0
	h.mu.Unlock()
}

// run sends goals in real time, beside the poses.
func (h *hand) run(ctx context.Context) {
	defer close(h.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		h.mu.Lock()
		wanted := h.wanted
		h.mu.Unlock()
		if err := h.do(ctx, wanted); err != nil && ctx.Err() == nil {
			h.log.Error("the gripper does not answer", "err", err)
			h.hold("the gripper does not answer: " + err.Error())
		}
	}
}

// do sends the goal of a command beyond the dead band, unless the last goal was the same, and waits until it is
// acknowledged.
func (h *hand) do(ctx context.Context, grip float64) error {
	sign := math.Copysign(1, grip)
	h.mu.Lock()
	same := math.Abs(grip) <= deadBand || sign == h.sent
	h.mu.Unlock()
	if same {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Gripper.Timeout)
	defer cancel()
	g := h.cfg.Gripper
	var err error
	if sign > 0 {
		err = h.grasp.Do(ctx, func(m *msgs.GraspActionGoal) {
			m.Goal.Speed, m.Goal.Force = g.Speed, g.Force
			m.Goal.Epsilon.Outer = g.OpenWidth // whatever is gripped is right
		})
	} else {
		err = h.move.Do(ctx, func(m *msgs.MoveActionGoal) { m.Goal.Width, m.Goal.Speed = g.OpenWidth, g.Speed })
	}
	if err == nil {
		h.mu.Lock()
		h.sent = sign
		h.mu.Unlock()
	}
	return err
}
