package rosbridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"korr/internal/throttle"
	"korr/ros/names"
)

// ErrClosed means that Close was called.
var ErrClosed = errors.New("rosbridge: closed")

// ErrLost means that there is no connection at the moment.
var ErrLost = errors.New("rosbridge: the connection is lost")

// UnreachableError says that the server could not be reached.
type UnreachableError struct {
	URL string
	Err error
}

// Error implements error.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("no rosbridge server at %s: %v; start one (ros2 launch rosbridge_server "+
		"rosbridge_websocket_launch.xml) or set --url", e.URL, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Config describes a connection; zero values take the defaults named.
type Config struct {
	URL        string       // ws://host:9090 or wss://host:9090
	Names      *names.Names // of this "node", to resolve relative, ~private and remapped names
	Version    Version      // of the ROS behind the bridge; ROS2
	Header     http.Header  // of the handshake, for a proxy that asks for a token
	Wait       bool         // Open retries until its context ends instead of failing at once
	Timeout    time.Duration
	Silence    time.Duration // without any sign of the server before it counts as lost; 1 s
	MaxPause   time.Duration // between attempts to connect again; 5 s
	MaxMessage int64         // bytes of one message; 1 MiB
	OnUp       func(up bool) // called when the connection is lost or back, from the client's goroutine
	Logger     *slog.Logger  // nil = silent
}

// withDefaults checks the configuration and fills it in. The Timeout is of dialling and of a service call; 3 s.
func (c Config) withDefaults() (Config, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		return c, fmt.Errorf("rosbridge: url %q: want ws://host:9090 or wss://host:9090", c.URL)
	}
	if c.Names == nil {
		return c, errors.New("rosbridge: Config needs Names")
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{{&c.Timeout, 3 * time.Second}, {&c.Silence, time.Second}, {&c.MaxPause, 5 * time.Second}} {
		if *d.v == 0 {
			*d.v = d.def
		}
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// queueLength is how many messages wait to be sent; one more, and the link counts as stuck.
const queueLength = 256

// Client is a connection to a rosbridge server that comes back by itself. Its topics and services survive that.
type Client struct {
	cfg    Config
	log    *slog.Logger
	up     atomic.Bool
	cancel context.CancelFunc
	done   chan struct{} // closed by Close
	ended  chan struct{} // closed when the client's goroutine has returned
	once   sync.Once
	calls  sync.WaitGroup // of services that are being served
	busy   chan struct{}  // a token per service being served

	dropped  atomic.Uint64 // messages not understood
	reported time.Time     // when that was last logged; of the reading goroutine
	last     uint64        // dropped by then

	mu       sync.Mutex
	current  *session // nil while there is no connection
	setup    []func() []byte
	handlers map[string]func(json.RawMessage) error // by topic
	services map[string]func(json.RawMessage) (json.RawMessage, bool)
	pending  map[string]chan answer // calls by id
	nextID   uint64
}

// answer is a service's.
type answer struct {
	values json.RawMessage
	ok     bool
}

// Open connects. Without cfg.Wait a server that cannot be reached is an *UnreachableError at once; with it Open retries
// until ctx ends.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := newClient(cfg)
	var ws *websocket.Conn
	for pause := firstPause; ; pause = c.longer(pause) {
		if ws, err = c.dial(ctx); err == nil {
			break
		}
		if !cfg.Wait || ctx.Err() != nil {
			return nil, err
		}
		c.log.Info("waiting for the rosbridge server", "err", err)
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
	c.up.Store(true) // OnUp is told of changes
	run, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	first := make(chan struct{})
	go c.run(run, ws, first)
	<-first
	return c, nil
}

func newClient(cfg Config) *Client {
	return &Client{
		cfg: cfg, log: throttle.Logger(cfg.Logger).With("rosbridge", cfg.URL), done: make(chan struct{}),
		ended: make(chan struct{}), busy: make(chan struct{}, 4),
		handlers: map[string]func(json.RawMessage) error{}, services: map[string]func(json.RawMessage) (json.RawMessage,
			bool){},
		pending: map[string]chan answer{},
	}
}

const firstPause = 100 * time.Millisecond

func (c *Client) longer(pause time.Duration) time.Duration { return min(2*pause, c.cfg.MaxPause) }

func (c *Client) dial(ctx context.Context) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	d := websocket.Dialer{HandshakeTimeout: c.cfg.Timeout}
	ws, res, err := d.DialContext(ctx, c.cfg.URL, c.cfg.Header)
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	if err != nil {
		return nil, &UnreachableError{c.cfg.URL, err}
	}
	return ws, nil
}

// run owns the connections, one after the other. first is closed when the first is in use.
func (c *Client) run(ctx context.Context, ws *websocket.Conn, first chan struct{}) {
	defer close(c.ended)
	for {
		s := c.begin(ctx, ws)
		if first != nil {
			close(first)
			first = nil
		}
		err := s.serve()
		c.finish()
		if ctx.Err() != nil {
			return
		}
		c.log.Warn("the rosbridge connection is lost", "err", err)
		if ws = c.again(ctx); ws == nil {
			return
		}
		c.log.Info("connected to the rosbridge server again")
	}
}

// again dials until it succeeds, or returns nil when ctx ends.
func (c *Client) again(ctx context.Context) *websocket.Conn {
	for pause := firstPause; ; pause = c.longer(pause) {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		if ws, err := c.dial(ctx); err == nil {
			return ws
		}
	}
}

// begin makes a connection the present one and registers everything on it.
func (c *Client) begin(ctx context.Context, ws *websocket.Conn) *session {
	s := newSession(ctx, c, ws)
	c.mu.Lock()
	for _, f := range c.setup {
		if m := f(); m != nil {
			s.out <- m // there are fewer than the queue holds
		}
	}
	c.current = s
	c.mu.Unlock()
	c.setUp(true)
	return s
}

// finish ends the present connection's use and the calls that wait for it.
func (c *Client) finish() {
	c.mu.Lock()
	c.current = nil
	for id, ch := range c.pending {
		close(ch)
		delete(c.pending, id)
	}
	c.mu.Unlock()
	c.setUp(false)
}

func (c *Client) setUp(up bool) {
	if c.up.Swap(up) != up && c.cfg.OnUp != nil {
		select {
		case <-c.done: // Close is not a loss
		default:
			c.cfg.OnUp(up)
		}
	}
}

// send hands a message to the present connection. A queue that is full ends the connection: what leaves seconds late
// is worse than a link that is known to be lost.
func (c *Client) send(message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.current
	if s == nil {
		return ErrLost
	}
	select {
	case s.out <- message:
		return nil
	default:
		s.cancel()
		c.current = nil
		return fmt.Errorf("%w: %d messages could not be sent in time", ErrLost, queueLength)
	}
}

// register keeps what must be said on every new connection, if f has it, and says it on the present one.
func (c *Client) register(f func() []byte) {
	c.mu.Lock()
	c.setup = append(c.setup, f)
	c.mu.Unlock()
	if m := f(); m != nil {
		_ = c.send(m) // a connection that is lost is told when it is back
	}
}

// Names returns what the client was opened with.
func (c *Client) Names() *names.Names { return c.cfg.Names }

// Logger logs where Config.Logger does.
func (c *Client) Logger() *slog.Logger { return c.log }

// Now is the machine's time: over a bridge, clocks must be synchronised.
func (c *Client) Now() time.Time { return time.Now() }

// SimTime is false.
func (c *Client) SimTime() bool { return false }

// MasterUp reports whether the connection stands.
func (c *Client) MasterUp() bool { return c.up.Load() }

// Dropped is how many messages were not understood.
func (c *Client) Dropped() uint64 { return c.dropped.Load() }

// Done is closed by Close.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err is nil until Close, also while the connection is lost.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return ErrClosed
	default:
		return nil
	}
}

// Close ends the connection and waits for the client's goroutines.
func (c *Client) Close() error {
	c.once.Do(func() { close(c.done) })
	c.cancel()
	<-c.ended
	c.calls.Wait()
	return nil
}
