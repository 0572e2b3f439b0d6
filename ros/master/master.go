package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"korr/internal/throttle"
	"korr/ros/xmlrpc"
)

// DefaultAddr is the address of a master that is not told otherwise: the usual port, on the loopback interface.
const DefaultAddr = "127.0.0.1:11311"

// notifyTimeout bounds one callback to a node.
const notifyTimeout = 3 * time.Second

// Config says where the master listens.
type Config struct {
	Addr   string       // host:port; "" = DefaultAddr; port 0 picks a free one
	Names  []string     // host names by which nodes may address it, beside Addr's, this machine's and addresses
	Logger *slog.Logger // nil = silent
}

// Master is a running master. Start makes one, Close stops it.
type Master struct {
	uri    string
	log    *slog.Logger
	server *http.Server
	done   chan struct{}
	reg    *registry
	params *paramTree
	notify *notifier
	stop   chan string // a shutdown request's reason
}

// Start listens and serves in the background. The error says which address could not be had.
func Start(cfg Config) (*Master, error) {
	if cfg.Addr == "" {
		cfg.Addr = DefaultAddr
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Logger = throttle.Logger(cfg.Logger)
	ln, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf(
			"start the ROS master: %w (is another master running? use its ROS_MASTER_URI, or another port)", err)
	}
	m := &Master{
		uri: "http://" + ln.Addr().String() + "/", log: cfg.Logger, done: make(chan struct{}), stop: make(chan string, 1),
		reg: newRegistry(), params: newParamTree(), notify: newNotifier(cfg.Logger),
	}
	h := xmlrpc.NewHandler(m.answer, xmlrpc.MaxBytes, cfg.Logger, append(cfg.Names, cfg.Addr)...)
	m.server = xmlrpc.NewServer(h, cfg.Logger)
	go func() {
		defer close(m.done)
		if err := m.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			m.log.Error("ROS master stopped", "err", err)
		}
	}()
	return m, nil
}

// URI is what nodes take as ROS_MASTER_URI.
func (m *Master) URI() string { return m.uri }

// Shutdown delivers the reason when a client asked the master to stop; whoever owns the master decides.
func (m *Master) Shutdown() <-chan string { return m.stop }

// Close stops serving at once and waits for every goroutine of the master.
func (m *Master) Close() error {
	err := m.server.Close()
	<-m.done
	m.notify.close()
	return err
}

// answer runs a call and encodes its reply.
func (m *Master) answer(c *xmlrpc.Call) []byte {
	v, err := m.dispatch(c)
	if err == nil {
		var doc []byte
		if doc, err = xmlrpc.EncodeResponse(v); err == nil {
			return doc
		}
	}
	var f *xmlrpc.Fault
	if !errors.As(err, &f) {
		f = &xmlrpc.Fault{Code: 1, Message: err.Error()}
	}
	return xmlrpc.EncodeFault(f)
}

// dispatch runs a call. A *xmlrpc.Fault means that there is no such method; a caller's mistake is a reply with code -1.
func (m *Master) dispatch(c *xmlrpc.Call) (any, error) {
	if c.Method == "system.multicall" {
		return m.multicall(c.Params)
	}
	h, ok := methods[c.Method]
	if !ok {
		return nil, &xmlrpc.Fault{Code: 1, Message: fmt.Sprintf("method %q is not supported", c.Method)}
	}
	if len(c.Params) != len(h.args) {
		return failure("%s takes %d arguments (%v), got %d", c.Method, len(h.args), h.args, len(c.Params)), nil
	}
	for i, name := range h.args {
		if _, isString := c.Params[i].(string); !isString && name != "value" {
			return failure("%s: argument %s is a %T, want a string", c.Method, name, c.Params[i]), nil
		}
		if err := checkName(c.Params[i]); err != nil && name != "value" && name != "msg" {
			return failure("%s: argument %s: %v", c.Method, name, err), nil
		}
	}
	if h.keeps {
		if err := m.room(); err != nil {
			return failure("%s: %v", c.Method, err), nil
		}
	}
	return h.fn(m, c.Params), nil
}

// multicall runs calls in turn, as rosparam and roslaunch send them; each result is a list of one value, or a fault.
func (m *Master) multicall(params []any) (any, error) {
	list, ok := first(params).([]any)
	if !ok {
		return nil, &xmlrpc.Fault{Code: 1, Message: "system.multicall takes a list of calls"}
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		s, _ := e.(map[string]any)
		method, okM := s["methodName"].(string)
		args, okP := s["params"].([]any)
		if !okM || !okP || method == "system.multicall" {
			out = append(out, map[string]any{"faultCode": 1, "faultString": "malformed call in system.multicall"})
			continue
		}
		v, err := m.dispatch(&xmlrpc.Call{Method: method, Params: args})
		if err != nil {
			out = append(out, map[string]any{"faultCode": 1, "faultString": err.Error()})
			continue
		}
		out = append(out, []any{v})
	}
	return out, nil
}

func first(vs []any) any {
	if len(vs) == 1 {
		return vs[0]
	}
	return nil
}

func success(value any, format string, args ...any) []any {
	return []any{1, fmt.Sprintf(format, args...), value}
}

func failure(format string, args ...any) []any { return []any{-1, fmt.Sprintf(format, args...), 0} }

// pid is the process that the master runs in.
func pid() int { return os.Getpid() }

// client returns a client of a node's own API.
func client(api string) *xmlrpc.Client { return xmlrpc.NewClient(api, notifyTimeout) }

// call tells a node something and returns why it could not be told.
func call(ctx context.Context, api, method string, params ...any) error {
	_, err := client(api).Call(ctx, method, params...)
	return err
}
