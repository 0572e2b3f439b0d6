package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/bluenviron/goroslib/v2"

	"korr/internal/throttle"
	"korr/ros/names"
	"korr/ros/xmlrpc"
)

// Config describes a node.
type Config struct {
	Names    *names.Names
	Logger   *slog.Logger  // nil = silent
	Wait     bool          // Open retries until its context ends instead of failing at once
	Timeout  time.Duration // of one call to the master or a peer; 0 = 3 s
	Poll     time.Duration // of the master; 0 = 1 s
	OnMaster func(up bool) // called when the master is lost or back, from the node's own goroutine; may be nil

	// OnListeners is called with the number of subscribers that are connected to a topic which this node publishes, when
	// one came or went, from a goroutine of theirs; it must not block. May be nil.
	OnListeners func(topic string, n int)
	// OnPublisherLost is called when a publisher of a topic that this node subscribes to is gone, under the same rules.
	OnPublisherLost func(topic string)
	// OnIntruder is called when somebody who is not the master told this node which publishers its topics have. Nothing of
	// it was believed. It runs on a goroutine of the node's and must not block. May be nil.
	OnIntruder func(what string)
}

// Node is a running node. Its endpoints survive a restart of the master.
type Node struct {
	cfg    Config
	log    *slog.Logger
	master *xmlrpc.Client
	up     atomic.Bool
	cancel context.CancelFunc
	done   chan struct{} // closed when the node has ended; err is set before
	polled chan struct{} // closed when the poller has returned
	err    error
	ended  sync.Once

	current atomic.Pointer[goroslib.Node] // ros, for those who must not wait; nil while there is none
	simTime atomic.Bool
	lastNow atomic.Int64 // ns, of Now
	tee     *slog.Logger
	rosout  chan rosoutLine
	echo    atomic.Pointer[string] // what drainLog is publishing
	drained chan struct{}          // closed when drainLog has returned

	running  context.Context // ends with Close
	each     sync.WaitGroup  // of SubscribeEach
	watching sync.Mutex      // guards watched
	watched  []*watch

	listening sync.Mutex     // guards listeners
	listeners map[string]int // by topic

	mu        sync.Mutex // guards ros, front, uri, endpoints
	ros       *goroslib.Node
	front     *front // serves this node's own API
	uri       string // of this node's own API, as the master knows it
	endpoints []endpoint
}

// endpoint is something registered with the master: attach makes it on a goroslib node, detach removes it.
type endpoint interface {
	attach(n *goroslib.Node) error
	detach()
}

// Open starts a node. Without cfg.Wait a master that cannot be reached is a *MasterError at once; with it Open retries
// until ctx ends and then returns the last *MasterError.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	peers := throttle.Logger(cfg.Logger) // of what others cause
	if cfg.Timeout == 0 {
		cfg.Timeout = 3 * time.Second
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	n := &Node{
		cfg: cfg, log: peers.With("node", cfg.Names.Node), master: xmlrpc.NewClient(cfg.Names.MasterURI, cfg.Timeout),
		done: make(chan struct{}), polled: make(chan struct{}), drained: make(chan struct{}),
		rosout: make(chan rosoutLine, rosoutQueue),
	}
	n.tee = throttle.Logger(slog.New(&teeHandler{Handler: cfg.Logger.Handler(), node: n})) // /rosout is a peer too
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := n.connect(ctx)
		if err == nil {
			break
		}
		var m *MasterError
		if !cfg.Wait || !errors.As(err, &m) {
			return nil, err
		}
		n.log.Info("waiting for the ROS master", "uri", cfg.Names.MasterURI, "err", m.Err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(wait):
		}
	}
	n.up.Store(true)
	run, cancel := context.WithCancel(context.Background())
	n.running, n.cancel = run, cancel
	go n.poll(run)
	go n.drainLog(run)
	return n, nil
}

// environment guards the process-wide variable that goroslib reads while a node is made.
var environment sync.Mutex

// connect makes the goroslib node and asks the master under which address it knows it.
func (n *Node) connect(ctx context.Context) error {
	nm := n.cfg.Names
	if _, _, err := n.master.CallROS(ctx, "getPid", nm.Node); err != nil {
		return &MasterError{nm.MasterURI, err}
	}
	addr, err := names.MasterAddress(nm.MasterURI)
	if err != nil {
		return err
	}
	i := strings.LastIndex(nm.Node, "/")
	conf := goroslib.NodeConf{
		MasterAddress: addr, Namespace: "/" + strings.Trim(nm.Node[:i], "/"), Name: nm.Node[i+1:], Host: nm.Host,
		// who connects is told at that level only
		ReadTimeout: n.cfg.Timeout, WriteTimeout: n.cfg.Timeout, LogLevel: goroslib.LogLevelDebug,
		LogDestinations: goroslib.LogDestinationCallback | goroslib.LogDestinationRosout, OnLog: n.onLog,
	}
	ignoreArguments(&conf)
	ros, err := func() (*goroslib.Node, error) {
		environment.Lock()
		defer environment.Unlock()
		if ns, set := os.LookupEnv("ROS_NAMESPACE"); set { // package names has applied it
			_ = os.Unsetenv("ROS_NAMESPACE")
			defer os.Setenv("ROS_NAMESPACE", ns)
		}
		return goroslib.NewNode(conf)
	}()
	if err != nil {
		return fmt.Errorf("start node %s (reachable at %q): %w", nm.Node, nm.Host, err)
	}
	front, err := newFront(n, ros)
	if err != nil {
		ros.Close()
		return fmt.Errorf("start node %s: %w", nm.Node, err)
	}
	uri, err := n.lookup(ctx)
	if err == nil {
		err = n.became(ctx, ros)
	}
	if err != nil {
		front.close()
		ros.Close()
		return &MasterError{nm.MasterURI, err}
	}
	n.ros, n.front, n.uri = ros, front, uri
	return nil
}

// ignoreArguments keeps goroslib from applying os.Args to names that package names has resolved already: remappings
// that swap two topics would swap back. The field is not exported; the library is archived and its version pinned.
func ignoreArguments(conf *goroslib.NodeConf) {
	f := reflect.ValueOf(conf).Elem().FieldByName("args")
	*(*[]string)(unsafe.Pointer(f.UnsafeAddr())) = []string{}
}

// lookup asks the master for the address of this node.
func (n *Node) lookup(ctx context.Context) (string, error) {
	_, v, err := n.master.CallROS(ctx, "lookupNode", n.cfg.Names.Node, n.cfg.Names.Node)
	if err != nil {
		return "", err
	}
	uri, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("lookupNode: %w: the address is a %T", xmlrpc.ErrMalformed, v)
	}
	return uri, nil
}

// onLog receives goroslib's messages; the shutdown request is known by its text only.
func (n *Node) onLog(level goroslib.LogLevel, text string) {
	if own := n.echo.Load(); own != nil && *own == text {
		return // logged already
	}
	if strings.HasPrefix(text, "got shutdown request") {
		err := ErrShutdown
		if strings.Contains(text, "same name") {
			err = ErrReplaced
		}
		n.end(fmt.Errorf("%w (%s)", err, text))
		return
	}
	n.count(text)
	to := slog.LevelError
	switch level {
	case goroslib.LogLevelDebug, goroslib.LogLevelInfo:
		to = slog.LevelDebug
	case goroslib.LogLevelWarn:
		to = slog.LevelWarn
	}
	n.log.Log(context.Background(), to, "goroslib says", "text", text) // one message, so that they are bounded together
}

// count follows who is connected, of which goroslib tells in its log only.
func (n *Node) count(text string) {
	if n.Err() != nil { // nobody is connected to a node that has ended
		return
	}
	if rest, ok := strings.CutPrefix(text, "subscriber '"); ok && n.cfg.OnPublisherLost != nil {
		topic, what, _ := strings.Cut(rest, "' ")
		if strings.HasPrefix(what, "got an error") || strings.HasPrefix(what, "doesn't have publisher") {
			n.cfg.OnPublisherLost(topic)
		}
		return
	}
	rest, ok := strings.CutPrefix(text, "publisher '")
	if !ok || n.cfg.OnListeners == nil {
		return
	}
	topic, what, ok := strings.Cut(rest, "' ")
	step := 0
	switch {
	case !ok:
	case strings.HasPrefix(what, "got a new subscriber"):
		step = 1
	case strings.HasPrefix(what, "lost subscriber"):
		step = -1
	}
	if step == 0 {
		return
	}
	n.listening.Lock()
	defer n.listening.Unlock()
	if n.listeners == nil {
		n.listeners = map[string]int{}
	}
	n.listeners[topic] += step
	n.cfg.OnListeners(topic, n.listeners[topic])
}

// end records why the node ended, once.
func (n *Node) end(err error) {
	n.ended.Do(func() {
		n.err = err
		n.up.Store(false)
		close(n.done)
	})
}

// Done is closed when the node has ended for good; Err says why.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is nil while the node lives; then it wraps ErrReplaced, ErrShutdown or ErrClosed.
func (n *Node) Err() error {
	select {
	case <-n.done:
		return n.err
	default:
		return nil
	}
}

// MasterUp reports whether the last poll found the master and this node registered with it.
func (n *Node) MasterUp() bool { return n.up.Load() }

// Names returns what the node was opened with.
func (n *Node) Names() *names.Names { return n.cfg.Names }

// Close unregisters everything and waits for the node's goroutines.
func (n *Node) Close() error {
	n.end(ErrClosed)
	n.cancel()
	<-n.polled
	<-n.drained
	n.each.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.disconnect()
	n.endpoints = nil
	return nil
}

// disconnect detaches the endpoints in parallel (each tells the master, who may be gone) and closes the goroslib node.
func (n *Node) disconnect() {
	if n.ros == nil {
		return
	}
	n.current.Store(nil)
	var wg sync.WaitGroup
	for _, e := range n.endpoints {
		wg.Go(e.detach)
	}
	wg.Wait()
	n.front.close()
	n.ros.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() // goroslib's client leaves them open
	n.ros, n.front = nil, nil
}

// add attaches a new endpoint and keeps it for later rebuilds.
func (n *Node) add(e endpoint, what string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if n.ros != nil { // otherwise the next rebuild attaches it
		if err := e.attach(n.ros); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	n.endpoints = append(n.endpoints, e)
	return nil
}
