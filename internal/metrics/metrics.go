package metrics

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	process "github.com/VictoriaMetrics/metrics"
)

// ErrToken means that an address other than the loopback interface's was given without a token.
var ErrToken = errors.New("metrics: an address that other machines reach needs a token")

// Set is numbers of the program, read when they are asked for. Its functions must not block.
type Set struct{ families []*family }

// family is the numbers of one name.
type family struct {
	name, help, kind string
	labels           []string // of every number, as {name="value"}; empty for none
	values           []func() float64
}

// New returns an empty set. What serves it adds the numbers of the Go runtime and the process.
func New() *Set { return &Set{} }

// Counter adds a number that only grows. labels are pairs of name and value.
func (s *Set) Counter(name, help string, f func() float64, labels ...string) {
	s.add("counter", name, help, f, labels)
}

// Gauge adds a number that goes up and down. labels are pairs of name and value.
func (s *Set) Gauge(name, help string, f func() float64, labels ...string) {
	s.add("gauge", name, help, f, labels)
}

func (s *Set) add(kind, name, help string, f func() float64, labels []string) {
	i := slices.IndexFunc(s.families, func(x *family) bool { return x.name == name })
	if i < 0 {
		i = len(s.families)
		s.families = append(s.families, &family{name: name, help: help, kind: kind})
	}
	var pairs []string
	for k := 0; k+1 < len(labels); k += 2 {
		pairs = append(pairs, fmt.Sprintf("%s=%q", labels[k], labels[k+1]))
	}
	text := ""
	if len(pairs) > 0 {
		text = "{" + strings.Join(pairs, ",") + "}"
	}
	x := s.families[i]
	x.labels, x.values = append(x.labels, text), append(x.values, f)
}

// write prints the set, and the numbers of the Go runtime and the process, in Prometheus' text format 0.0.4.
func (s *Set) write(w io.Writer) {
	for _, x := range s.families {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", x.name, x.help, x.name, x.kind)
		for i, f := range x.values {
			fmt.Fprintf(w, "%s%s %s\n", x.name, x.labels[i], strconv.FormatFloat(f(), 'g', -1, 64))
		}
	}
	process.WriteProcessMetrics(w)
}

// ServeHTTP implements http.Handler.
func (s *Set) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.write(w)
}

// Config describes a server.
type Config struct {
	Addr   string // host:port; host "" is every interface, port 0 any
	Token  string // required unless the host is the loopback interface
	Logger *slog.Logger
}

// Server serves a set under /metrics.
type Server struct {
	http *http.Server
	addr string
	done chan struct{}
}

// Start serves a set. The error wraps ErrToken when the address needs a token.
func Start(s *Set, cfg Config) (*Server, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: address %q: want host:port, such as 127.0.0.1:9464", cfg.Addr)
	}
	local := loopback(host)
	if !local && cfg.Token == "" {
		return nil, fmt.Errorf("%w: %s", ErrToken, cfg.Addr)
	}
	l, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", protect(http.TimeoutHandler(s, 5*time.Second, "too slow"), cfg.Token))
	server := &Server{
		http: &http.Server{
			Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute,
			MaxHeaderBytes: 16 << 10,
		},
		addr: l.Addr().String(), done: make(chan struct{}),
	}
	if cfg.Logger != nil {
		server.http.ErrorLog = slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)
	}
	go func() {
		defer close(server.done)
		_ = server.http.Serve(l)
	}()
	return server, nil
}

// loopback reports whether a host is this machine's loopback interface only.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// protect asks for the token, or, without one, refuses requests that name another host.
func protect(next http.Handler, token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" {
			given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			if !ok || subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "say Authorization: Bearer TOKEN", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if !loopback(strings.Trim(host, "[]")) {
			http.Error(w, "this server answers to localhost only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.addr }

// Close ends the server; requests under way get a second.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}
