package foxglove

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/rosidl"
	"korr/ros/transport"
)

func listen(t *testing.T, addr string) *Server {
	t.Helper()
	s, err := Listen(Config{Addr: addr, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// viewer is a client.
type viewer struct {
	*websocket.Conn
	t *testing.T
}

func look(t *testing.T, url string) viewer {
	t.Helper()
	d := websocket.Dialer{Subprotocols: protocols, HandshakeTimeout: 5 * time.Second}
	c, res, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	t.Cleanup(func() { _ = c.Close() })
	return viewer{c, t}
}

// next is the next JSON message, or the next message's subscription and data.
func (v viewer) next() (text map[string]any, id uint32, data []byte) {
	v.t.Helper()
	_ = v.SetReadDeadline(time.Now().Add(10 * time.Second))
	kind, b, err := v.ReadMessage()
	if err != nil {
		v.t.Fatal(err)
	}
	if kind == websocket.TextMessage {
		if err := json.Unmarshal(b, &text); err != nil {
			v.t.Fatal(err)
		}
		return text, 0, nil
	}
	if len(b) < messageHeader || b[0] != opMessage {
		v.t.Fatalf("a message that begins with % x", b[:min(len(b), messageHeader)])
	}
	return nil, binary.LittleEndian.Uint32(b[1:]), b[messageHeader:]
}

func (v viewer) say(text string) {
	v.t.Helper()
	if err := v.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		v.t.Fatal(err)
	}
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		t.Errorf("%s: %s, want %s", what, a, b)
	}
}

// TestTopicsAreShown: channels with their schemas, what is latched to whoever comes later, messages once per
// subscription and none after it ended; and nothing can be published.
func TestTopicsAreShown(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	said := s.Topic("/names", msgs.String{}, true)
	said(&msgs.String{Data: "a,b"})
	pose := s.Topic("/pose", msgs.PoseStamped{}, false)
	v := look(t, s.URL())
	info, _, _ := v.next()
	want(t, "capabilities", info["capabilities"], any([]any{}))
	channels, _, _ := v.next()
	list := channels["channels"].([]any)
	want(t, "channels", len(list), 2)
	c := list[1].(map[string]any)
	idl, err := rosidl.For[msgs.PoseStamped]()
	if err != nil {
		t.Fatal(err)
	}
	want(t, "a channel", c, map[string]any{
		"id": 2, "topic": "/pose", "encoding": "cdr", "schemaName": "geometry_msgs/msg/PoseStamped",
		"schema": idl.Schema(), "schemaEncoding": "ros2msg",
	})

	v.say(`{"op":"subscribe","subscriptions":[{"id":7,"channelId":1},{"id":8,"channelId":2},{"id":9,"channelId":99}]}`)
	_, id, data := v.next()
	var text msgs.String
	if err := rosidl.Unmarshal(data, &text); err != nil || id != 7 || text.Data != "a,b" {
		t.Errorf("what is latched: %d, %+v, %v", id, text, err)
	}
	refused, _, _ := v.next()
	want(t, "a channel that is not there", refused["op"], any("status"))
	m := &msgs.PoseStamped{Header: msgs.Header{FrameId: "tag"}, Pose: msgs.Pose{Position: msgs.Point{X: 0.5}}}
	pose(m)
	_, id, data = v.next()
	var back msgs.PoseStamped
	if err := rosidl.Unmarshal(data, &back); err != nil || id != 8 {
		t.Errorf("a message: %d, %v", id, err)
	}
	want(t, "a message", back, *m)

	later := s.Topic("/later", msgs.FrankaState{}, false)
	channels, _, _ = v.next()
	c = channels["channels"].([]any)[0].(map[string]any)
	want(t, "a later topic", c["schemaName"], any("franka_msgs/msg/FrankaRobotState"))
	v.say(`{"op":"unsubscribe","subscriptionIds":[8]}`)
	v.say(`{"op":"subscribe","subscriptions":[{"id":1,"channelId":3}]}`)
	for _, bad := range []string{`{"op":"advertise","channels":[]}`, `[`, `{"op":"setParameters"}`} {
		v.say(bad)
		status, _, _ := v.next()
		want(t, bad, status["level"], any(levelError))
	}
	pose(m)
	later(&msgs.FrankaState{})
	if _, id, _ = v.next(); id != 1 {
		t.Errorf("after it was unsubscribed from, a message of %d", id)
	}
}

// TestASlowViewerIsLeftBehind: who reads nothing holds up nobody, costs a bounded queue, and is told what it missed.
func TestASlowViewerIsLeftBehind(t *testing.T) {
	s := listen(t, "127.0.0.1:0")
	say := s.Topic("/parts", msgs.PoseArray{}, false)
	slow, quick := look(t, s.URL()), look(t, s.URL())
	for _, v := range []viewer{slow, quick} {
		v.next()
		v.next()
		v.say(`{"op":"subscribe","subscriptions":[{"id":1,"channelId":1}]}`)
	}
	for s.channels[0].wanted.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	m := &msgs.PoseArray{Poses: make([]msgs.Pose, 2000)} // 112 kB
	got := make(chan int)
	const n = 400
	go func() {
		count := 0
		for ; count < n; count++ {
			if _, id, _ := quick.next(); id != 1 {
				break
			}
		}
		got <- count
	}()
	var longest time.Duration
	for range n {
		begun := time.Now()
		say(m)
		longest = max(longest, time.Since(begun))
		time.Sleep(2 * time.Millisecond)
	}
	if count := <-got; count != n || longest > 500*time.Millisecond {
		t.Errorf("%d of %d messages; saying one took up to %v", count, n, longest)
	}
	s.mu.Lock()
	for c := range s.clients {
		c.mu.Lock()
		if c.bytes > queueBytes+queueBytes/10 || len(c.queue) > queueMessages {
			t.Errorf("a queue of %d messages, %d bytes", len(c.queue), c.bytes)
		}
		c.mu.Unlock()
	}
	s.mu.Unlock()
	for range n {
		if text, _, _ := slow.next(); text != nil {
			if text["level"] != float64(levelWarning) || !strings.Contains(text["message"].(string), "dropped") {
				t.Errorf("%v", text)
			}
			return
		}
	}
	t.Error("the slow viewer was not told")
}

// TestWhoMayLook: beyond the loopback interface whoever has the token; on it this machine's programs and pages, and
// Foxglove's.
func TestWhoMayLook(t *testing.T) {
	local, open := listen(t, "127.0.0.1:0"), listen(t, "0.0.0.0:0")
	_, port, _ := net.SplitHostPort(open.addr.String())
	beyond := "ws://127.0.0.1:" + port
	_, token, _ := strings.Cut(open.URL(), "?")
	for name, c := range map[string]struct {
		url, host, origin string
		code              int
	}{
		"here":            {local.URL(), "", "", 101},
		"Foxglove's page": {local.URL(), "", "https://app.foxglove.dev", 101},
		"a page of here":  {local.URL(), "", "http://localhost:3000", 101},
		"another's page":  {local.URL(), "", "https://example.com", 403},
		"another's name":  {local.URL(), "example.com", "", 403},
		"no token":        {beyond, "", "", 401},
		"another token":   {beyond + "/?token=" + strings.Repeat("0", 32), "", "", 401},
		"the token":       {beyond + "/?" + token, "", "", 101},
	} {
		h := http.Header{}
		if c.origin != "" {
			h.Set("Origin", c.origin)
		}
		if c.host != "" {
			h.Set("Host", c.host)
		}
		d := websocket.Dialer{Subprotocols: protocols[1:]}
		conn, res, err := d.Dial(c.url, h)
		if err == nil {
			_ = conn.Close()
		}
		if res == nil || res.StatusCode != c.code {
			t.Errorf("%s: %v, %v; want %d", name, res, err, c.code)
		}
	}
	if _, res, err := websocket.DefaultDialer.Dial(local.URL(), nil); err == nil || res.StatusCode != http.StatusBadRequest {
		t.Errorf("another protocol: %v, %v", res, err)
	}
}

// TestANodeIsShown: what a node says and what it hears, to the independent client where NODE_MODULES names a folder with
// its packages (testdata/client.mjs).
func TestANodeIsShown(t *testing.T) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	s := listen(t, "127.0.0.1:0")
	open := func(name string, tap transport.Tap) transport.Link {
		nm, err := names.New(name, m.URI())
		if err != nil {
			t.Fatal(err)
		}
		nm.Host = "127.0.0.1"
		l, err := transport.Open(t.Context(), transport.Config{Names: nm, Tap: tap})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		return l
	}
	a, b := open("a", s), open("b", nil)
	said, err := transport.Advertise[msgs.PoseStamped](a, "~command", transport.Command)
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1000)
	if err := transport.Subscribe(a, "/text", transport.State, func(m *msgs.String) { heard <- m.Data }); err != nil {
		t.Fatal(err)
	}
	out, err := transport.Advertise[msgs.String](b, "/text", transport.State)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				said.Write(&msgs.PoseStamped{Pose: msgs.Pose{Position: msgs.Point{X: 0.25}}})
				out.Write(&msgs.String{Data: "hello"})
			}
		}
	}()
	defer close(ended)
	<-heard
	v := look(t, s.URL())
	v.next()
	v.next()
	v.say(`{"op":"subscribe","subscriptions":[{"id":1,"channelId":1},{"id":2,"channelId":2}]}`)
	for seen := map[uint32]bool{}; len(seen) < 2; {
		_, id, _ := v.next()
		seen[id] = true
	}
	modules := os.Getenv("NODE_MODULES")
	if modules == "" {
		t.Skip("without the independent client: NODE_MODULES names no folder (testdata/client.mjs says what to install)")
	}
	printed, err := exec.Command("node", "testdata/client.mjs", s.URL(), "2").Output()
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Name     string
		Channels []struct{ Topic, Type string }
		Counts   map[string]int
		Last     map[string]any
		Statuses []string
	}
	if err := json.Unmarshal(printed, &r); err != nil {
		t.Fatal(err)
	}
	want(t, "channels", r.Channels, []struct{ Topic, Type string }{
		{"/a/command", "geometry_msgs/msg/PoseStamped"}, {"/text", "std_msgs/msg/String"},
	})
	want(t, "a message", r.Last["/text"], any(map[string]any{"data": "hello"}))
	if r.Counts["/a/command"] < 20 || r.Counts["/text"] < 20 || len(r.Statuses) > 0 {
		t.Errorf("%+v, %v", r.Counts, r.Statuses)
	}
}
