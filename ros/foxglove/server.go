package foxglove

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"korr/internal/throttle"
	"korr/ros/msgs"
	"korr/ros/rosidl"
)

// Bounds of what clients can make the server hold.
const (
	maxClients    = 16
	maxAsked      = 1024     // subscriptions of a client
	maxRequest    = 64 << 10 // bytes of what a client says at once
	queueMessages = 256      // of a client
	queueBytes    = 8 << 20  // of a client
	incoming      = 1024     // messages that were told and not serialised yet
	writeLimit    = 5 * time.Second
)

// Config describes a server.
type Config struct {
	Addr   string       // host:port; port 0 takes a free one
	Name   string       // that viewers show
	Logger *slog.Logger // nil = silent
}

// Server shows topics to Foxglove.
type Server struct {
	cfg   Config
	log   *slog.Logger
	guard guard
	http  *http.Server
	addr  net.Addr
	in    chan told
	done  chan struct{}
	ended sync.Once
	tasks sync.WaitGroup

	dropped atomic.Uint64 // messages that came faster than they are serialised

	mu       sync.Mutex
	channels []*channel
	clients  map[*client]struct{}
}

// told is a message on its way.
type told struct {
	channel *channel
	message any
	at      time.Time
}

// channel is a topic.
type channel struct {
	id      int
	topic   string
	idl     *rosidl.Type
	latched bool
	wanted  atomic.Int64 // clients that subscribed
	form    func(any) any

	last []byte // of a latched one, with mu of the server held
	at   time.Time
}

// Listen starts a server.
func Listen(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("foxglove: listen at %s: %w", cfg.Addr, err)
	}
	s := &Server{
		cfg: cfg, log: throttle.Logger(cfg.Logger), addr: ln.Addr(), in: make(chan told, incoming),
		done: make(chan struct{}), clients: map[*client]struct{}{},
	}
	if s.guard, err = newGuard(ln.Addr()); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.http = &http.Server{Handler: http.HandlerFunc(s.accept), ReadHeaderTimeout: writeLimit, ErrorLog: slog.NewLogLogger(
		s.log.Handler(), slog.LevelDebug,
	)}
	s.tasks.Go(func() { _ = s.http.Serve(ln) })
	s.tasks.Go(s.serialise)
	return s, nil
}

// URL is what a viewer opens; it holds the token where one is asked for.
func (s *Server) URL() string {
	url := "ws://" + s.addr.String()
	if s.guard.token != "" {
		url += "/?" + tokenName + "=" + s.guard.token
	}
	return url
}

// Dropped is how many messages came faster than they could be serialised.
func (s *Server) Dropped() uint64 { return s.dropped.Load() }

// Close ends all connections.
func (s *Server) Close() error {
	var err error
	s.ended.Do(func() {
		close(s.done)
		err = s.http.Close() // not those that were upgraded
		s.mu.Lock()
		for c := range s.clients {
			_ = c.conn.Close()
		}
		s.mu.Unlock()
		s.tasks.Wait()
	})
	return err
}

// Topic adds a topic of a message's type (its zero value) and returns the function that is told of its messages, by
// pointer. The function does not wait; the message must not change afterwards. Messages without a form in ROS 2 have no
// channel. A topic that is added again is the same one.
func (s *Server) Topic(name string, zero any, latched bool) func(message any) {
	form := func(m any) any { return m }
	if _, is := zero.(msgs.FrankaState); is {
		zero, form = msgs.FrankaRobotState{}, func(m any) any { return m.(*msgs.FrankaState).RobotState() }
	}
	idl, err := rosidl.Of(reflect.TypeOf(zero))
	if err != nil {
		s.log.Debug("a topic is not shown", "topic", name, "err", err)
		return func(any) {}
	}
	c := s.add(&channel{topic: name, idl: idl, latched: latched, form: form})
	return func(m any) {
		if !c.latched && c.wanted.Load() == 0 {
			return
		}
		select {
		case s.in <- told{c, m, time.Now()}:
		default:
			s.dropped.Add(1)
		}
	}
}

// add makes a channel known to everybody.
func (s *Server) add(c *channel) *channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.channels, func(o *channel) bool {
		return o.topic == c.topic && o.idl.Name == c.idl.Name
	}); i >= 0 {
		return s.channels[i]
	}
	c.id = len(s.channels) + 1
	s.channels = append(s.channels, c)
	for x := range s.clients {
		x.say(advertise(c))
	}
	return c
}

// serialise gives the messages to the clients until the server is closed.
func (s *Server) serialise() {
	for {
		select {
		case <-s.done:
			return
		case m := <-s.in:
			data, err := rosidl.Marshal(m.channel.form(m.message))
			if err != nil {
				s.log.Warn("a message is not shown", "topic", m.channel.topic, "err", err)
				continue
			}
			s.mu.Lock()
			if m.channel.latched {
				m.channel.last, m.channel.at = data, m.at
			}
			for c := range s.clients {
				c.send(m.channel, m.at, data)
			}
			s.mu.Unlock()
		}
	}
}

// accept takes a client.
func (s *Server) accept(w http.ResponseWriter, r *http.Request) {
	if code, why := s.guard.refuses(r); code != 0 {
		http.Error(w, why, code)
		return
	}
	offered := websocket.Subprotocols(r)
	if !slices.ContainsFunc(offered, func(p string) bool { return slices.Contains(protocols, p) }) {
		http.Error(w, "this is a server for Foxglove: open "+s.addr.String()+" there as a WebSocket connection",
			http.StatusBadRequest)
		return
	}
	up := websocket.Upgrader{
		Subprotocols: protocols, CheckOrigin: func(*http.Request) bool { return true }, // the guard has looked
		HandshakeTimeout: writeLimit,
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := newClient(conn)
	s.mu.Lock()
	full := len(s.clients) >= maxClients
	if !full {
		s.clients[c] = struct{}{}
		c.say(map[string]any{
			"op": "serverInfo", "name": s.cfg.Name, "capabilities": []string{}, "supportedEncodings": []string{},
			"metadata": map[string]string{}, "sessionId": s.session(),
		})
		c.say(advertise(s.channels...))
	}
	s.mu.Unlock()
	if full {
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseTryAgainLater,
			fmt.Sprintf("%d clients look already", maxClients)), time.Now().Add(time.Second))
		_ = conn.Close()
		return
	}
	s.log.Info("a viewer came", "from", conn.RemoteAddr().String())
	s.tasks.Go(c.write)
	s.tasks.Go(func() { s.read(c) })
}

// session tells a server that was started again from the one before.
func (s *Server) session() string { return fmt.Sprintf("%p-%s", s, s.addr) }

// forget removes a client.
func (s *Server) forget(c *client) {
	_ = c.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
	for _, ch := range c.asked {
		ch.wanted.Add(-1)
	}
	c.asked = nil
	c.stop()
}

func newToken() (string, error) {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}
