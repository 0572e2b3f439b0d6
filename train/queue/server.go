package queue

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"korr/internal/atomicfile"
	"korr/internal/usage"
)

// ErrServed says that another process serves a folder's queue; the folder's join.json leads to it.
var ErrServed = errors.New("another process serves this queue")

// Settings are how a queue's server runs.
type Settings struct {
	Dir    string // its store, its certificate and join.json
	Listen string // HOST:PORT; port 0: the one it had before, or a free one
	// Host is the name or address by which others reach it; empty: Listen's, or this machine's name when that is any
	// address.
	Host string
	// Lease is how long a unit stays with a silent worker; 0: the one the queue has, DefaultLease for a new one.
	Lease time.Duration
	// Cert and Key are files of a certificate and its key; empty: beyond loopback the server makes its own.
	Cert, Key string
	Log       *slog.Logger
}

// DefaultLease is how long a unit stays with a silent worker.
const DefaultLease = 30 * time.Second

// maxPayload bounds one message, in bytes: a unit, a state with its result, a chunk of a file.
const maxPayload = 4 << 20

// Server is a running JetStream server.
type Server struct {
	Join Join // how it is reached
	nats *server.Server
	lock *os.File
}

// Serve starts a server. What its folder holds from before is served again. The error wraps ErrServed when another
// process serves the folder.
func Serve(ctx context.Context, s Settings) (srv *Server, err error) {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	lock, err := hold(s.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	before, err := readJoin(s.Dir)
	if err != nil && !errors.Is(statErr(s.Dir), fs.ErrNotExist) {
		return nil, err
	}
	join, o, err := s.options(before)
	if err != nil {
		return nil, err
	}
	n, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("queue: server: %w", err)
	}
	n.SetLoggerV2(logger{s.Log}, false, false, false)
	go n.Start()
	if !n.ReadyForConnections(10 * time.Second) {
		n.Shutdown()
		return nil, fmt.Errorf("queue: the server does not start at %s: is the port taken? (--listen HOST:PORT)", s.Listen)
	}
	addr, ok := n.Addr().(*net.TCPAddr)
	if !ok {
		n.Shutdown()
		return nil, fmt.Errorf("queue: the server listens at %v", n.Addr())
	}
	join.URL += net.JoinHostPort(s.Host, strconv.Itoa(addr.Port))
	srv = &Server{Join: join, nats: n, lock: lock}
	err = srv.setUp(ctx, s)
	if err == nil {
		err = join.write(s.Dir)
	}
	if err != nil {
		n.Shutdown()
		n.WaitForShutdown()
	}
	return srv, err
}

func statErr(dir string) error {
	_, err := os.Stat(filepath.Join(dir, JoinName))
	return err
}

// hold takes the folder's lock.
func hold(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	if err := atomicfile.Hold(f); errors.Is(err, atomicfile.ErrHeld) {
		return nil, errors.Join(fmt.Errorf("queue %s: %w", dir, ErrServed), f.Close())
	}
	return f, nil // a file system that keeps no locks keeps nobody out
}

// options are the server's, and the join file without its port; s.Listen and s.Host are completed.
func (s *Settings) options(before Join) (join Join, o *server.Options, err error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return join, nil, usage.Errorf("--listen %q: want HOST:PORT", s.Listen)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 0 || number > 65535 {
		return join, nil, usage.Errorf("--listen %q: want HOST:PORT with a port from 0 to 65535", s.Listen)
	}
	if number == 0 {
		number = before.port()
	}
	if s.Host == "" {
		if s.Host = host; host == "" || net.ParseIP(host).IsUnspecified() {
			if s.Host, err = os.Hostname(); err != nil {
				return join, nil, fmt.Errorf("queue: this machine's name: %w (--host NAME says it)", err)
			}
		}
	}
	if number == 0 {
		number = server.RANDOM_PORT
	}
	join = Join{URL: "nats://", Token: before.Token}
	if join.Token == "" {
		secret := make([]byte, 24)
		_, _ = rand.Read(secret) // never fails
		join.Token = hex.EncodeToString(secret)
	}
	o = &server.Options{
		ServerName: "korr-queue", Host: host, Port: number, Authorization: join.Token, NoSigs: true, JetStream: true,
		StoreDir: filepath.Join(s.Dir, "store"), SyncAlways: true, MaxPayload: maxPayload, NoSystemAccount: true,
	}
	if s.Cert != "" || !Loopback(s.Listen) {
		if join.CA, o.TLSConfig, err = s.certificate(); err != nil {
			return join, nil, err
		}
		o.TLS, join.URL = true, "tls://"
	}
	return join, o, nil
}

// port is that of a server that was here before; 0 without one.
func (j *Join) port() int {
	_, port, err := net.SplitHostPort(j.Host())
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// setUp makes the streams and buckets, or gives those of before another lease.
func (s *Server) setUp(ctx context.Context, of Settings) error {
	st, err := connect(ctx, s.Join, of.Log, 10*time.Second, s.nats)
	if err != nil {
		return err
	}
	defer st.Close()
	return st.setUp(ctx, of.Lease)
}

// Close stops the server; what it keeps stays in its folder.
func (s *Server) Close() error {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
	return s.lock.Close()
}

// logger tells the server's messages to a slog.Logger.
type logger struct{ log *slog.Logger }

func (l logger) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l logger) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l logger) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
func (l logger) Fatalf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }
