package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/bluenviron/goroslib/v2"

	"korr/ros/xmlrpc"
)

const (
	apiBytes   = 1 << 20                // of one call to a node
	lastAnswer = 100 * time.Millisecond // to whoever shut the node down
)

// front serves this node's own API (ROS's "slave API") in goroslib's place, on the same socket. goroslib would serve
// anybody: a web page could shut the node down, or name it other publishers. Calls reach goroslib's handler only as
// this package wrote them, and which publishers a topic has is asked of the master (see claims.go).
type front struct {
	node   *Node
	ros    http.Handler // goroslib's
	server *http.Server
	cancel context.CancelFunc
	done   sync.WaitGroup
	claims claims
}

// newFront takes the socket of the node's API over from goroslib, with the connections that wait on it. goroslib has no
// setting for that, so its fields are read by their names; nothing is written, and a goroslib that has others fails
// here and not later.
func newFront(n *Node, ros *goroslib.Node) (*front, error) {
	server, err := field(reflect.ValueOf(ros), "apiSlaveServer", "xs")
	if err != nil {
		return nil, err
	}
	old, err1 := fieldOf[*http.Server](server, "hs")
	ln, err2 := fieldOf[net.Listener](server, "ln")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	// An answer proves that goroslib has begun to serve, which it does in a goroutine of its own.
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.Timeout)
	defer cancel()
	if _, _, err := xmlrpc.NewClient("http://"+ln.Addr().String(), n.cfg.Timeout).CallROS(ctx, "getPid",
		n.cfg.Names.Node); err != nil {
		return nil, fmt.Errorf("the node's own API does not answer: %w", err)
	}
	own, err := duplicate(ln)
	if err != nil {
		return nil, err
	}
	closeNow, cancelNow := context.WithTimeout(context.Background(), lastAnswer)
	defer cancelNow()
	if old.Shutdown(closeNow) != nil {
		_ = old.Close()
	}
	f := &front{node: n, ros: old.Handler}
	f.claims.init()
	run, stop := context.WithCancel(context.Background())
	f.cancel = stop
	f.server = xmlrpc.NewServer(xmlrpc.NewHandler(f.answer, apiBytes, n.log, n.cfg.Names.Host), n.log)
	f.done.Go(func() { _ = f.server.Serve(own) })
	f.done.Go(func() { f.run(run) })
	f.done.Go(func() { // a node that was shut down is not to be reached any more
		select {
		case <-run.Done():
		case <-n.done:
			ctx, cancel := context.WithTimeout(run, lastAnswer)
			defer cancel()
			_ = f.server.Shutdown(ctx)
		}
		_ = f.server.Close()
	})
	return f, nil
}

// duplicate returns a second listener on the same socket, so that it stays open when the first is closed.
func duplicate(ln net.Listener) (net.Listener, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("goroslib listens with a %T", ln)
	}
	file, err := tcp.File()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileListener(file)
}

// field follows fields of structs behind pointers.
func field(v reflect.Value, names ...string) (reflect.Value, error) {
	for _, name := range names {
		v = v.Elem().FieldByName(name)
		if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
			return v, fmt.Errorf("goroslib has no field %s as this package knows it: build with version 2.1.4", name)
		}
	}
	return v, nil
}

// fieldOf is the value of a field that is not exported.
func fieldOf[T any](v reflect.Value, name string) (value T, err error) {
	f := v.Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() || f.IsNil() {
		return value, fmt.Errorf("goroslib has no field %s as this package knows it: build with version 2.1.4", name)
	}
	return *(*T)(unsafe.Pointer(f.UnsafeAddr())), nil
}

// close ends the API and waits for its goroutines.
func (f *front) close() {
	f.cancel()
	f.done.Wait()
}

// answer serves one call.
func (f *front) answer(c *xmlrpc.Call) []byte {
	switch c.Method {
	case "publisherUpdate":
		f.claims.add(c.Params)
		doc, _ := xmlrpc.EncodeResponse([]any{1, "", 0})
		return doc
	case "getBusInfo", "getPid", "getPublications", "requestTopic", "shutdown":
		doc, err := f.forward(c.Method, c.Params...)
		if err != nil {
			return xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1, Message: err.Error()})
		}
		return doc
	}
	return xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 1, Message: fmt.Sprintf("method %.60q is not supported", c.Method)})
}

// reply keeps what goroslib's handler writes.
type reply struct {
	bytes.Buffer
	status int
}

func (r *reply) Header() http.Header    { return http.Header{} }
func (r *reply) WriteHeader(status int) { r.status = status }

// forward lets goroslib's handler answer a call.
func (f *front) forward(method string, params ...any) ([]byte, error) {
	body, err := xmlrpc.EncodeCall(method, params...)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, "/RPC2", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r := &reply{status: http.StatusOK}
	f.ros.ServeHTTP(r, req)
	if r.status != http.StatusOK {
		return nil, fmt.Errorf("%s: the arguments are wrong", method)
	}
	return r.Bytes(), nil
}
