// Package bare speaks just enough TCPROS to measure a node: it publishes and hears over sockets that the measuring
// thread writes and waits on itself. So a round trip holds the node's time and the system's, and none of a second
// node's queues and wake-ups.
package bare

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/bluenviron/goroslib/v2/pkg/msgproc"
	"github.com/bluenviron/goroslib/v2/pkg/prototcp"
	"golang.org/x/sys/unix"

	"korr/ros/node"
	"korr/ros/xmlrpc"
)

// End is the other end of a node under measurement. It is for one goroutine.
type End struct {
	master  *xmlrpc.Client
	id, uri string // of this end as a node
	topics  net.Listener
	api     *http.Server
	feeds   []*feed
	answer  Topic
	command *net.TCPConn
	heard   []byte // of it, not yet a whole frame
}

// Topic is a topic of one kind of message.
type Topic struct {
	Name string // absolute
	Kind any    // the message as a struct, its zero value will do
}

// Message is what is published on a topic, again and again but for its header's stamp.
type Message struct {
	Topic
	Value any // by pointer; its first field is a header
}

// feed is a message and its connection.
type feed struct {
	Message
	frame []byte
	conn  *net.TCPConn
}

// Offsets in a frame: the message's length, then its header's sequence number and stamp.
const (
	stampAt  = 4 + 4
	stampEnd = stampAt + 8
)

// Open registers the messages at the master as the node id, so that a node that starts finds them; answer is what that
// node publishes.
func Open(ctx context.Context, master, id string, answer Topic, messages ...Message) (e *End, err error) {
	e = &End{master: xmlrpc.NewClient(master, time.Second), id: id, answer: answer}
	for _, m := range messages {
		e.feeds = append(e.feeds, &feed{Message: m})
	}
	defer func() {
		if err != nil {
			e.Close()
		}
	}()
	if e.topics, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return e, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return e, err
	}
	e.uri = "http://" + ln.Addr().String() + "/"
	silent := slog.New(slog.DiscardHandler)
	e.api = xmlrpc.NewServer(xmlrpc.NewHandler(e.serve, xmlrpc.MaxBytes, silent), silent)
	go func() { _ = e.api.Serve(ln) }()
	for _, f := range e.feeds {
		data, err := node.Encode(f.Value)
		if err != nil {
			return e, err
		}
		f.frame = append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
		kind, err := msgproc.Type(f.Kind)
		if err != nil {
			return e, err
		}
		if _, _, err := e.master.CallROS(ctx, "registerPublisher", e.id, f.Name, kind, e.uri); err != nil {
			return e, err
		}
	}
	return e, nil
}

// Close ends all connections.
func (e *End) Close() {
	if e.api != nil {
		_ = e.api.Close()
	}
	if e.topics != nil {
		_ = e.topics.Close()
	}
	for _, f := range e.feeds {
		if f.conn != nil {
			_ = f.conn.Close()
		}
	}
	if e.command != nil {
		_ = e.command.Close()
	}
}

// serve is the part of a node's own API that subscribers need: where its topics are.
func (e *End) serve(call *xmlrpc.Call) []byte {
	reply := []any{1, "", 0}
	if call.Method == "requestTopic" {
		reply[2] = []any{"TCPROS", "127.0.0.1", e.topics.Addr().(*net.TCPAddr).Port}
	}
	doc, _ := xmlrpc.EncodeResponse(reply)
	return doc
}

// Join waits until the node of a name is connected to every message, and connects to its answers.
func (e *End) Join(ctx context.Context, peer string, limit time.Duration) error {
	end := time.Now().Add(limit)
	if err := e.topics.(*net.TCPListener).SetDeadline(end); err != nil {
		return err
	}
	for left := len(e.feeds); left > 0; left-- {
		if err := e.accept(end); err != nil {
			return err
		}
	}
	for {
		err := e.subscribe(ctx, peer, end)
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// accept takes one connection to a feed.
func (e *End) accept(end time.Time) error {
	conn, err := e.topics.Accept()
	if err != nil {
		return err
	}
	if err := conn.SetReadDeadline(end); err != nil {
		return err
	}
	c := prototcp.NewConn(conn)
	header, err := c.ReadHeaderRaw()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(e.feeds, func(f *feed) bool { return f.Name == header["topic"] && f.conn == nil })
	if i < 0 {
		return fmt.Errorf("a connection for topic %q", header["topic"])
	}
	f := e.feeds[i]
	f.conn = conn.(*net.TCPConn)
	h, err := e.header(f.Topic)
	if err != nil {
		return err
	}
	return c.WriteHeader(h)
}

// header describes a topic to its subscriber.
func (e *End) header(t Topic) (h *prototcp.HeaderPublisher, err error) {
	h = &prototcp.HeaderPublisher{Topic: t.Name, Callerid: e.id}
	var errs [3]error
	h.Type, errs[0] = msgproc.Type(t.Kind)
	h.Md5sum, errs[1] = msgproc.MD5(t.Kind)
	h.MessageDefinition, errs[2] = msgproc.Definition(t.Kind)
	return h, errors.Join(errs[:]...)
}

// subscribe connects to the peer's commands.
func (e *End) subscribe(ctx context.Context, peer string, end time.Time) error {
	_, uri, err := e.master.CallROS(ctx, "lookupNode", e.id, peer)
	if err != nil {
		return err
	}
	_, where, err := xmlrpc.NewClient(fmt.Sprint(uri), time.Second).CallROS(ctx, "requestTopic", e.id, e.answer.Name,
		[]any{[]any{"TCPROS"}})
	if err != nil {
		return err
	}
	proto, ok := where.([]any)
	if !ok || len(proto) != 3 {
		return fmt.Errorf("%s offers %v", peer, where)
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("%v:%v", proto[1], proto[2]))
	if err != nil {
		return err
	}
	e.command = conn.(*net.TCPConn)
	if err := conn.SetReadDeadline(end); err != nil {
		return err
	}
	h, err := e.header(e.answer)
	if err != nil {
		return err
	}
	c := prototcp.NewConn(conn)
	if err := c.WriteHeader(&prototcp.HeaderSubscriber{
		Callerid: e.id, Topic: h.Topic, Type: h.Type, Md5sum: h.Md5sum, MessageDefinition: h.MessageDefinition, TcpNodelay: 1,
	}); err != nil {
		return err
	}
	header, err := c.ReadHeaderRaw()
	if err == nil && header["error"] != "" {
		err = errors.New(header["error"])
	}
	return errors.Join(err, conn.SetReadDeadline(time.Time{}))
}

// RoundTrip is the time from handing the messages to the system until the answer with their stamp is here, and whether
// it came in time.
func (e *End) RoundTrip(limit time.Duration) (time.Duration, bool, error) {
	begun := time.Now()
	var stamp [stampEnd - stampAt]byte
	binary.LittleEndian.PutUint32(stamp[:], uint32(begun.Unix()))
	binary.LittleEndian.PutUint32(stamp[4:], uint32(begun.Nanosecond()))
	for _, f := range e.feeds {
		copy(f.frame[stampAt:], stamp[:])
		if _, err := f.conn.Write(f.frame); err != nil {
			return 0, false, err
		}
	}
	for time.Since(begun) < limit {
		frame, err := e.poll()
		if err != nil {
			return 0, false, err
		}
		if len(frame) >= stampEnd && [len(stamp)]byte(frame[stampAt:stampEnd]) == stamp {
			return time.Since(begun), true, nil
		}
	}
	return 0, false, nil
}

// poll reads what commands there are without waiting and returns the next frame, or nil when it is not whole yet.
func (e *End) poll() (frame []byte, err error) {
	if frame = e.next(); frame != nil {
		return frame, nil
	}
	raw, err := e.command.SyscallConn()
	if err != nil {
		return nil, err
	}
	var buf [4096]byte
	var n int
	var errno error
	if err := raw.Read(func(fd uintptr) bool {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 100)
		n, errno = unix.Read(int(fd), buf[:])
		return true
	}); err != nil {
		return nil, err
	}
	switch {
	case errors.Is(errno, unix.EAGAIN), errors.Is(errno, unix.EINTR):
		return nil, nil
	case errno != nil:
		return nil, errno
	case n == 0:
		return nil, io.ErrUnexpectedEOF
	}
	e.heard = append(e.heard, buf[:n]...)
	return e.next(), nil
}

// next takes a whole frame off what was heard.
func (e *End) next() []byte {
	if len(e.heard) < 4 {
		return nil
	}
	n := 4 + int(binary.LittleEndian.Uint32(e.heard))
	if len(e.heard) < n {
		return nil
	}
	frame := e.heard[:n]
	e.heard = e.heard[n:]
	return frame
}
