package ros2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"korr/internal/throttle"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/ros2/dds"
)

// ErrClosed is the error of a closed node.
var ErrClosed = errors.New("the ROS 2 node is closed")

// Config describes a node.
type Config struct {
	Names   *names.Names // ROS2 is set
	Logger  *slog.Logger // nil = silent
	SimTime bool         // Now is what /clock says
	Timeout time.Duration
	Humble  bool // gids of ros_discovery_info have 24 bytes

	// What follows may be nil, runs on the node's goroutine and must not block.

	OnListeners     func(topic string, n int)         // readers of a topic written here, when their number changed
	OnPublisherLost func(topic string)                // a writer of a topic read here is gone
	OnPolicy        func(topic string, policy string) // somebody did not match for a policy; "" = somebody matches again
}

// Node is a node in the ROS 2 graph.
type Node struct {
	cfg   Config
	log   *slog.Logger
	part  *dds.Participant
	graph graph
	simAt atomic.Int64 // ns that /clock last said
	sim   atomic.Bool

	done  chan struct{}
	ended sync.Once
	tasks sync.WaitGroup
}

// Open joins the domain that the names tell. The error wraps dds.ErrAbsent in a program without ROS 2.
func Open(_ context.Context, cfg Config) (*Node, error) {
	if cfg.Names == nil {
		return nil, errors.New("ros2: Config needs Names")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 3 * time.Second
	}
	n := &Node{cfg: cfg, log: throttle.Logger(cfg.Logger).With("node", cfg.Names.Node), done: make(chan struct{})}
	r := cfg.Names.ROS2
	if r == nil {
		r = &names.ROS2{}
	}
	n.cfg.Humble = cfg.Humble || r.Humble
	var err error
	if n.part, err = dds.Open(dds.Config{
		Domain: r.Domain, Localhost: r.Localhost, Peers: r.Peers, UserData: enclave,
	}); err != nil {
		return nil, fmt.Errorf("start node %s: %w", cfg.Names.Node, err)
	}
	if err := n.graph.open(n); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	if on := cfg.Names.Params["use_sim_time"]; cfg.SimTime || on == "true" || on == "True" {
		n.sim.Store(true)
		if err := Subscribe(n, msgs.ClockTopic, Clock, func(m *msgs.Clock) {
			if !m.Clock.IsZero() {
				n.simAt.Store(m.Clock.UnixNano())
			}
		}); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// enclave is what a participant of ROS 2 says in its user data.
const enclave = "enclave=/;"

// Names returns what the node was opened with.
func (n *Node) Names() *names.Names { return n.cfg.Names }

// Logger logs as the node.
func (n *Node) Logger() *slog.Logger { return n.log }

// Now is the wall clock or, with use_sim_time, what /clock last said (1970 until it first speaks).
func (n *Node) Now() time.Time {
	if n.sim.Load() {
		return time.Unix(0, n.simAt.Load())
	}
	return time.Now()
}

// SimTime reports whether the node lives by /clock.
func (n *Node) SimTime() bool { return n.sim.Load() }

// MasterUp is true: ROS 2 has no master that could be lost.
func (n *Node) MasterUp() bool { return true }

// Done is closed when the node has ended.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is nil while the node lives.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return ErrClosed
	default:
		return nil
	}
}

// Close leaves the graph and waits for the node's goroutines.
func (n *Node) Close() error {
	n.ended.Do(func() {
		n.graph.bye()
		close(n.done)
	})
	err := n.part.Close()
	n.tasks.Wait()
	return err
}

// resolve is the absolute name that a name stands for.
func (n *Node) resolve(name string) (string, error) {
	abs, err := n.cfg.Names.Resolve(name)
	if err == nil && abs == "/" {
		err = fmt.Errorf("%w: %q", names.ErrName, name)
	}
	return abs, err
}

// hashOf is the user data that tells a type's hash.
func hashOf(hash string) string { return "typehash=" + hash + ";" }
