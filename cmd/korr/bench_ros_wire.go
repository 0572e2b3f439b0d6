package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bluenviron/goroslib/v2/pkg/msgproc"
	"github.com/bluenviron/goroslib/v2/pkg/prototcp"
	"golang.org/x/sys/unix"

	"korr/ros/msgs"
	"korr/ros/node"
	"korr/ros/xmlrpc"
)

// wire is the other end of a node under measurement: what publishes /ns/parts and /ns/state and hears /ns/command, over bare sockets that
// the measuring thread writes and polls itself. So a round trip holds the node's time, and none of a second node's queues and wake-ups.
type wire struct {
	master       *xmlrpc.Client
	id, uri      string // of this end as a node
	topics       net.Listener
	api          *http.Server
	feeds        []*feed
	commandTopic string
	command      *net.TCPConn
	heard        []byte // of it, not yet a whole frame
}

// feed is a topic that is published: its only message and its connection.
type feed struct {
	topic   string
	kind    any // the message's type, as a struct
	message any // by pointer
	frame   []byte
	conn    *net.TCPConn
}

// Offsets in a frame: the message's length, then its header's sequence number and stamp.
const (
	stampAt  = 4 + 4
	stampEnd = stampAt + 8
)

// openWire registers the publishers of a namespace, so that a node that starts finds them.
func openWire(ctx context.Context, master, ns string) (w *wire, err error) {
	w = &wire{
		master: xmlrpc.NewClient(master, time.Second), id: "/" + ns + "/korr_bench", commandTopic: "/" + ns + "/command",
		feeds: []*feed{
			{topic: "/" + ns + "/parts", kind: msgs.PoseArray{}, message: &msgs.PoseArray{Poses: make([]msgs.Pose, rosParts)}},
			{topic: "/" + ns + "/state", kind: msgs.JointState{}, message: &msgs.JointState{Position: make([]float64, rosStates)}},
		},
	}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.topics, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return w, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return w, err
	}
	w.uri = "http://" + ln.Addr().String() + "/"
	w.api = &http.Server{Handler: http.HandlerFunc(w.serve), ReadHeaderTimeout: time.Second}
	go func() { _ = w.api.Serve(ln) }()
	for _, f := range w.feeds {
		data, err := node.Encode(f.message)
		if err != nil {
			return w, err
		}
		f.frame = append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
		kind, err := msgproc.Type(f.kind)
		if err != nil {
			return w, err
		}
		if _, _, err := w.master.CallROS(ctx, "registerPublisher", w.id, f.topic, kind, w.uri); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *wire) close() {
	if w.api != nil {
		_ = w.api.Close()
	}
	if w.topics != nil {
		_ = w.topics.Close()
	}
	for _, f := range w.feeds {
		if f.conn != nil {
			_ = f.conn.Close()
		}
	}
	if w.command != nil {
		_ = w.command.Close()
	}
}

// serve is the part of a node's own API that subscribers need: where its topics are.
func (w *wire) serve(rw http.ResponseWriter, req *http.Request) {
	call, err := xmlrpc.DecodeCall(http.MaxBytesReader(rw, req.Body, xmlrpc.MaxBytes))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	reply := []any{1, "", 0}
	if call.Method == "requestTopic" {
		reply[2] = []any{"TCPROS", "127.0.0.1", w.topics.Addr().(*net.TCPAddr).Port}
	}
	doc, err := xmlrpc.EncodeResponse(reply)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Length", strconv.Itoa(len(doc))) // roscpp's client reads no chunked answers
	_, _ = rw.Write(doc)
}

// join takes the connections of the node of a name to the feeds and connects to its commands.
func (w *wire) join(ctx context.Context, peer string, limit time.Duration) error {
	end := time.Now().Add(limit)
	if err := w.topics.(*net.TCPListener).SetDeadline(end); err != nil {
		return err
	}
	for left := len(w.feeds); left > 0; left-- {
		if err := w.accept(end); err != nil {
			return err
		}
	}
	for {
		err := w.subscribe(ctx, peer, end)
		if err == nil || time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// accept takes one connection to a feed.
func (w *wire) accept(end time.Time) error {
	conn, err := w.topics.Accept()
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
	i := slices.IndexFunc(w.feeds, func(f *feed) bool { return f.topic == header["topic"] && f.conn == nil })
	if i < 0 {
		return fmt.Errorf("a connection for topic %q", header["topic"])
	}
	f := w.feeds[i]
	f.conn = conn.(*net.TCPConn)
	h, err := w.header(f.topic, f.kind)
	if err != nil {
		return err
	}
	return c.WriteHeader(h)
}

// header describes a topic whose messages are of kind, a struct.
func (w *wire) header(topic string, kind any) (h *prototcp.HeaderPublisher, err error) {
	h = &prototcp.HeaderPublisher{Topic: topic, Callerid: w.id}
	var errs [3]error
	h.Type, errs[0] = msgproc.Type(kind)
	h.Md5sum, errs[1] = msgproc.MD5(kind)
	h.MessageDefinition, errs[2] = msgproc.Definition(kind)
	return h, errors.Join(errs[:]...)
}

// subscribe connects to the peer's commands.
func (w *wire) subscribe(ctx context.Context, peer string, end time.Time) error {
	_, uri, err := w.master.CallROS(ctx, "lookupNode", w.id, peer)
	if err != nil {
		return err
	}
	_, where, err := xmlrpc.NewClient(fmt.Sprint(uri), time.Second).CallROS(ctx, "requestTopic", w.id, w.commandTopic, []any{[]any{"TCPROS"}})
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
	w.command = conn.(*net.TCPConn)
	if err := conn.SetReadDeadline(end); err != nil {
		return err
	}
	h, err := w.header(w.commandTopic, msgs.PoseStamped{})
	if err != nil {
		return err
	}
	c := prototcp.NewConn(conn)
	if err := c.WriteHeader(&prototcp.HeaderSubscriber{
		Callerid: w.id, Topic: h.Topic, Type: h.Type, Md5sum: h.Md5sum, MessageDefinition: h.MessageDefinition, TcpNodelay: 1,
	}); err != nil {
		return err
	}
	header, err := c.ReadHeaderRaw()
	if err == nil && header["error"] != "" {
		err = errors.New(header["error"])
	}
	return errors.Join(err, conn.SetReadDeadline(time.Time{}))
}

// roundTrip is the time from handing parts and a state to the system until the command that answers them is here, and whether it came in time.
func (w *wire) roundTrip(limit time.Duration) (time.Duration, bool, error) {
	begun := time.Now()
	var stamp [stampEnd - stampAt]byte
	binary.LittleEndian.PutUint32(stamp[:], uint32(begun.Unix()))
	binary.LittleEndian.PutUint32(stamp[4:], uint32(begun.Nanosecond()))
	for _, f := range w.feeds {
		copy(f.frame[stampAt:], stamp[:])
		if _, err := f.conn.Write(f.frame); err != nil {
			return 0, false, err
		}
	}
	for time.Since(begun) < limit {
		frame, err := w.poll()
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
func (w *wire) poll() (frame []byte, err error) {
	if frame = w.next(); frame != nil {
		return frame, nil
	}
	raw, err := w.command.SyscallConn()
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
	w.heard = append(w.heard, buf[:n]...)
	return w.next(), nil
}

// next takes a whole frame off what was heard.
func (w *wire) next() []byte {
	if len(w.heard) < 4 {
		return nil
	}
	n := 4 + int(binary.LittleEndian.Uint32(w.heard))
	if len(w.heard) < n {
		return nil
	}
	frame := w.heard[:n]
	w.heard = w.heard[n:]
	return frame
}
