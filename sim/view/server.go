package view

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	maxViewers    = 32
	writeTimeout  = 10 * time.Second // a viewer that takes nothing for so long is gone
	pingPeriod    = 15 * time.Second
	pongTimeout   = 40 * time.Second
	maxMistakes   = 50 // refused commands after which a viewer is disconnected
	lingerTimeout = time.Second
	lingerBytes   = 1 << 20 // of a message that was too long, read and dropped so that the viewer sees why
	headerTimeout = 5 * time.Second
)

// Server shows a session to browsers.
type Server struct {
	session *Session
	guard   guard
	ln      net.Listener
	log     *slog.Logger
	viewers sync.WaitGroup
	up      websocket.Upgrader
}

// Listen binds to host:port. An empty host means 127.0.0.1. log may be nil.
func Listen(addr string, s *Session, log *slog.Logger) (*Server, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: use host:port, for example 127.0.0.1:8080: %w", addr, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("bind the viewer: %w; name another port, or port 0 for a free one", err)
	}
	g, err := newGuard(ln.Addr())
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Server{
		session: s, guard: g, ln: ln, log: log,
		up: websocket.Upgrader{ReadBufferSize: 1024, WriteBufferSize: 4096, CheckOrigin: sameOrigin},
	}, nil
}

// URL is what to open in a browser; it holds the token if one is needed.
func (s *Server) URL() string {
	addr := s.ln.Addr().String()
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		if outward := outwardIP(); outward != nil {
			addr = net.JoinHostPort(outward.String(), port)
		}
	}
	u := "http://" + addr + "/"
	if s.guard.token != "" {
		u += "?" + tokenName + "=" + s.guard.token
	}
	return u
}

// outwardIP is an address of this machine that others reach, nil if it has none.
func outwardIP() net.IP {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
			return n.IP
		}
	}
	return nil
}

// Run plays the session and serves it until ctx ends, and leaves nothing running.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mux := http.NewServeMux()
	mux.Handle("GET /", assets())
	mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) { s.connect(ctx, w, r) })
	web := &http.Server{
		Handler: s.guard.protect(mux), ReadHeaderTimeout: headerTimeout,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		err := web.Serve(s.ln)
		cancel() // a server that ends early ends the session
		served <- err
	}()
	err := s.session.Run(ctx)
	cancel()
	err = errors.Join(err, web.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	s.viewers.Wait()
	return err
}

// connect serves one viewer until it goes.
func (s *Server) connect(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	s.viewers.Add(1)
	defer s.viewers.Done()
	if s.session.board.join(1) > maxViewers {
		s.session.board.join(-1)
		http.Error(w, "too many viewers", http.StatusServiceUnavailable)
		return
	}
	defer s.session.board.join(-1)
	c, err := s.up.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	v := &viewer{
		conn: c, board: s.session.board, submit: s.session.submit, turned: make(chan struct{}, 1),
		gone: make(chan struct{}), errors: make(chan error, 8),
	}
	s.log.Debug("viewer came", "address", r.RemoteAddr)
	v.serve(ctx)
	s.log.Debug("viewer went", "address", r.RemoteAddr)
}
