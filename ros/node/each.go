package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/bluenviron/goroslib/v2/pkg/msgproc"
	"github.com/bluenviron/goroslib/v2/pkg/prototcp"

	"korr/ros/xmlrpc"
)

const (
	eachRetry = 200 * time.Millisecond // between attempts to connect to a publisher
	eachBytes = 1 << 10                // of one message

	headerBytes = 1 << 16 // of a connection's header
	eachSuffix  = "_each" // of the caller's name: goroslib's publishers take one connection of a name
)

// each is a subscription that knows who says what. goroslib's callbacks do not tell, so it connects to every publisher
// by itself, by TCPROS, without being registered as a subscriber.
type each[M any] struct {
	node  *Node
	topic string
	said  func(publisher string, m *M)
	gone  func(publisher string)

	mu   sync.Mutex
	ends map[string]context.CancelFunc // by publisher
}

// SubscribeEach calls said for every message on the topic of a name with the name of the node that sent it, and gone
// when a publisher has left. Calls of one publisher come one after the other. It is meant for few, small messages:
// buttons. A publisher is heard from the poll of the master after it appeared, and then what it latched.
func SubscribeEach[M any](n *Node, name string, said func(publisher string, m *M), gone func(publisher string)) error {
	topic, err := n.cfg.Names.Resolve(name)
	if err != nil {
		return err
	}
	e := &each[M]{node: n, topic: topic, said: said, gone: gone, ends: map[string]context.CancelFunc{}}
	return WatchPublishers(n, topic, e.follow)
}

// follow connects to new publishers and leaves those that are gone.
func (e *each[M]) follow(nodes []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, end := range e.ends {
		if !slices.Contains(nodes, name) {
			end()
			delete(e.ends, name)
		}
	}
	for _, name := range nodes {
		if e.ends[name] == nil {
			ctx, cancel := context.WithCancel(e.node.running)
			e.ends[name] = cancel
			e.node.each.Go(func() { e.stay(ctx, name) })
		}
	}
}

// stay hears a publisher until it is gone.
func (e *each[M]) stay(ctx context.Context, publisher string) {
	defer e.gone(publisher)
	for ctx.Err() == nil {
		if err := e.hear(ctx, publisher); err != nil && ctx.Err() == nil {
			e.node.log.Debug("a publisher is not heard", "topic", e.topic, "publisher", publisher, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(eachRetry):
		}
	}
}

// hear is one connection.
func (e *each[M]) hear(ctx context.Context, publisher string) error {
	conn, err := e.dial(ctx, publisher)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		stop()
		_ = conn.Close()
	}()
	for {
		data, err := readBlock(conn, eachBytes)
		if err != nil {
			return err
		}
		m := new(M)
		if err := Decode(data, m); err != nil {
			return err
		}
		e.said(publisher, m)
	}
}

// readBlock reads a header or a message, which follows its length. Nothing is read ahead.
func readBlock(conn net.Conn, most uint32) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > most {
		return nil, fmt.Errorf("%d bytes, want at most %d", n, most)
	}
	data := make([]byte, n)
	_, err := io.ReadFull(conn, data)
	return data, err
}

// dial connects to a publisher and exchanges headers with it.
func (e *each[M]) dial(ctx context.Context, publisher string) (net.Conn, error) {
	me, timeout := e.node.cfg.Names.Node, e.node.cfg.Timeout
	_, uri, err := e.node.master.CallROS(ctx, "lookupNode", me, publisher)
	if err != nil {
		return nil, err
	}
	protocols := []any{[]any{"TCPROS"}}
	_, offer, err := xmlrpc.NewClient(fmt.Sprint(uri), timeout).CallROS(ctx, "requestTopic", me, e.topic, protocols)
	if err != nil {
		return nil, err
	}
	where, ok := offer.([]any)
	if !ok || len(where) != 3 {
		return nil, fmt.Errorf("%s offers %v", publisher, offer)
	}
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(fmt.Sprint(where[1]), fmt.Sprint(where[2])))
	if err != nil {
		return nil, err
	}
	if err := e.greet(conn, timeout); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// greet exchanges headers.
func (e *each[M]) greet(conn net.Conn, timeout time.Duration) error {
	var zero M
	h := &prototcp.HeaderSubscriber{Callerid: e.node.cfg.Names.Node + eachSuffix, Topic: e.topic, TcpNodelay: 1}
	var errs [4]error
	h.Type, errs[0] = msgproc.Type(zero)
	h.Md5sum, errs[1] = msgproc.MD5(zero)
	h.MessageDefinition, errs[2] = msgproc.Definition(zero)
	errs[3] = conn.SetDeadline(time.Now().Add(timeout))
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if err := prototcp.NewConn(conn).WriteHeader(h); err != nil {
		return err
	}
	header, err := readBlock(conn, headerBytes)
	if err != nil {
		return err
	}
	if _, why, refused := bytes.Cut(header, []byte("error=")); refused {
		return fmt.Errorf("refused: %.200q", why)
	}
	return conn.SetDeadline(time.Time{})
}
