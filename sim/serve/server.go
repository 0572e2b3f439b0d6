package serve

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"net"
	"sync"
	"time"

	"korr/internal/throttle"
	"korr/sim"
)

// Defaults of a Config.
const (
	DefaultMaxEnvs  = 256
	DefaultMaxConns = 64
	DefaultIdle     = 10 * time.Minute
	DefaultPatience = 10 * time.Second
)

// Config says what is served.
type Config struct {
	Open        func() (sim.Env, error) // makes one environment; called from several goroutines
	Draw        DrawFunc                // draws an environment; nil: this server draws nothing. Called for one at a time
	Form        string                  // name of the action form that the environments take
	Low, High   []float32               // bounds of an action, [Spec.ActDim]
	Fingerprint string                  // of the physics
	Envs        int                     // environments of a connection that does not ask for a number; 0 means 1
	MaxEnvs     int                     // most environments of one connection; 0 means DefaultMaxEnvs
	// most environments of all connections together; 0 means DefaultMaxEnvs, or MaxEnvs if that is more
	MaxTotal int
	MaxConns int           // most connections at once; 0 means DefaultMaxConns
	Workers  int           // environments of one connection stepped at once; 0 means 1
	Idle     time.Duration // a connection that asks nothing for so long is closed; 0 means DefaultIdle
	// for a hello, for the rest of a frame begun, for a reply to be taken; 0 means DefaultPatience
	Patience time.Duration
	Log      *slog.Logger // nil means none
}

// DrawFunc draws what an environment shows, at its present state.
type DrawFunc func(env sim.Env) (*image.RGBA, error)

func (c *Config) resolve() error {
	if c.Open == nil {
		return errors.New("serve: Config.Open is missing")
	}
	set := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	set(&c.MaxEnvs, DefaultMaxEnvs)
	set(&c.MaxConns, DefaultMaxConns)
	set(&c.Envs, 1)
	set(&c.Workers, 1)
	c.MaxEnvs = min(max(c.MaxEnvs, c.Envs), 1<<16-1)
	set(&c.MaxTotal, max(c.MaxEnvs, DefaultMaxEnvs))
	if c.Idle <= 0 {
		c.Idle = DefaultIdle
	}
	if c.Patience <= 0 {
		c.Patience = DefaultPatience
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = throttle.Logger(c.Log)
	return nil
}

// Server serves environments until its context ends.
type Server struct {
	cfg   Config
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	envs  int // of all connections
	down  bool
	done  sync.WaitGroup

	drawing sync.Mutex // held while an environment is drawn
}

// New checks the configuration.
func New(cfg Config) (*Server, error) {
	if err := cfg.resolve(); err != nil {
		return nil, err
	}
	return &Server{cfg: cfg, conns: map[net.Conn]struct{}{}}, nil
}

// Serve accepts connections until ctx ends, then closes the listener and every connection and waits for them. It
// returns nil when ctx ended it, and what the listener said otherwise. A Server serves once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		_ = l.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = true
		for c := range s.conns {
			_ = c.SetReadDeadline(time.Now()) // a request in hand is still answered
		}
	})
	defer func() {
		stop()
		_ = l.Close()
		s.done.Wait()
	}()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // out of files, a client that was gone already
			s.cfg.Log.Warn("accept", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		default:
			s.start(c)
		}
	}
}

// start hands a connection to a goroutine of its own, or refuses it.
func (s *Server) start(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := len(s.conns) >= s.cfg.MaxConns
	if !full {
		s.conns[c] = struct{}{}
	}
	down := s.down
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		defer s.forget(c)
		k := newConn(s, c)
		switch {
		case down:
			k.refuse(&protocolError{codeShutdown, "the server is going down"})
		case full:
			k.refuse(&protocolError{codeFull, "too many connections: try again later"})
		default:
			k.run()
		}
	}()
}

func (s *Server) forget(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

// stopping reports whether the context has ended.
func (s *Server) stopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// await sets the deadline of the next read, unless the server is going down, which has set one that stands.
func (s *Server) await(c net.Conn, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down {
		_ = c.SetReadDeadline(time.Now().Add(d))
	}
}

// reserve takes n environments out of the budget of all connections, or says why not.
func (s *Server) reserve(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := s.cfg.MaxTotal - s.envs; n > left {
		return &protocolError{codeFull, fmt.Sprintf("%d environments: of the %d that this server gives all connections "+
			"together, %d are left", n, s.cfg.MaxTotal, left)}
	}
	s.envs += n
	return nil
}

// release gives environments back to the budget.
func (s *Server) release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envs -= n
}

// draw has the configured function draw an environment, one at a time.
func (s *Server) draw(env sim.Env) (*image.RGBA, error) {
	s.drawing.Lock()
	defer s.drawing.Unlock()
	return s.cfg.Draw(env)
}
