package rosbridge_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/rosbridge"
	"korr/ros/rosbridge/standin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func startServer(t *testing.T, addr string) *standin.Server {
	t.Helper()
	s, err := standin.Start(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func open(t *testing.T, node string, cfg rosbridge.Config) *rosbridge.Client {
	t.Helper()
	var err error
	if cfg.Names, err = names.New(node, ""); err != nil {
		t.Fatal(err)
	}
	c, err := rosbridge.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// TestTopicsAndServices: messages and calls go from client to client, in both dialects, under names that are resolved.
func TestTopicsAndServices(t *testing.T) {
	for _, version := range []rosbridge.Version{rosbridge.ROS2, rosbridge.ROS1} {
		s := startServer(t, "127.0.0.1:0")
		cfg := rosbridge.Config{URL: s.URL(), Version: version}
		a, b := open(t, "a", cfg), open(t, "b", cfg)
		var got atomic.Pointer[msgs.PoseStamped]
		if err := rosbridge.Subscribe(b, "/a/target", got.Store); err != nil {
			t.Fatal(err)
		}
		if err := rosbridge.Subscribe(b, "/a/target", func(*msgs.PoseStamped) {}); err == nil {
			t.Error("subscribed twice")
		}
		pub, err := rosbridge.Advertise[msgs.PoseStamped](a, "~target", true)
		if err != nil || pub.Topic() != "/a/target" {
			t.Fatal(pub, err)
		}
		m := &msgs.PoseStamped{Header: msgs.Header{Seq: 7, Stamp: time.Unix(5, 6), FrameId: `b"ase`}}
		m.Pose.Position.X, m.Pose.Orientation.W = 1, 0.1
		pub.Write(m)
		eventually(t, "a pose", func() bool { return got.Load() != nil })
		want := *m
		if version == rosbridge.ROS2 {
			want.Header.Seq = 0 // ROS 2 has none
		}
		if g := got.Load(); !g.Header.Stamp.Equal(want.Header.Stamp) || g.Header.Seq != want.Header.Seq ||
			g.Header.FrameId != want.Header.FrameId || g.Pose != want.Pose {
			t.Errorf("got %+v, want %+v", g, want)
		}
		kind := map[rosbridge.Version]string{
			rosbridge.ROS2: "geometry_msgs/msg/PoseStamped",
			rosbridge.ROS1: "geometry_msgs/PoseStamped",
		}[version]
		if s.Type("/a/target") != kind {
			t.Errorf("type %q", s.Type("/a/target"))
		}
		callBoth(t, a, b)
		if e := s.Errors(); len(e) > 0 {
			t.Errorf("the server complained: %q", e)
		}
	}
}

func callBoth(t *testing.T, a, b *rosbridge.Client) {
	t.Helper()
	ctx := context.Background()
	if _, err := rosbridge.Call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](ctx, b, "/a/enable",
		&msgs.SetBoolReq{}); err == nil {
		t.Error("a service that does not exist answered")
	}
	if err := rosbridge.Serve[msgs.SetBool](a, "~enable", func(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
		return &msgs.SetBoolRes{Success: q.Data, Message: "so be it"}, q.Data
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a response", func() bool {
		res, err := rosbridge.Call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](ctx, b, "/a/enable",
			&msgs.SetBoolReq{Data: true})
		return err == nil && res.Success && res.Message == "so be it"
	})
	if _, err := rosbridge.Call[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](ctx, b, "/a/enable",
		&msgs.SetBoolReq{}); err == nil {
		t.Error("a failing service reported success")
	}
}

// TestConnectionComesBack: after a restart of the server everything is registered again; the owner hears of both; a
// server that falls silent with its connections open counts as lost too.
func TestConnectionComesBack(t *testing.T) {
	s := startServer(t, "127.0.0.1:0")
	var ups, downs atomic.Int32
	cfg := rosbridge.Config{URL: s.URL(), Silence: 200 * time.Millisecond, MaxPause: 50 * time.Millisecond}
	b := open(t, "b", cfg)
	cfg.OnUp = func(up bool) {
		if up {
			ups.Add(1)
		} else {
			downs.Add(1)
		}
	}
	a := open(t, "a", cfg)
	var got atomic.Pointer[msgs.String]
	if err := rosbridge.Subscribe(b, "/t", got.Store); err != nil {
		t.Fatal(err)
	}
	pub, err := rosbridge.Advertise[msgs.String](a, "/t", true)
	if err != nil {
		t.Fatal(err)
	}
	says := func(text string) func() bool {
		return func() bool {
			pub.Write(&msgs.String{Data: text})
			return got.Load() != nil && got.Load().Data == text
		}
	}
	eventually(t, "the first message", says("one"))
	s.Close()
	eventually(t, "loss", func() bool { return !a.MasterUp() && !b.MasterUp() && downs.Load() == 1 })
	pub.Write(&msgs.String{Data: "latched"}) // must not block; is sent later
	again := startServer(t, s.Addr())
	eventually(t, "return", func() bool { return a.MasterUp() && b.MasterUp() && ups.Load() == 1 })
	eventually(t, "the latched message", func() bool { return got.Load().Data == "latched" })
	again.Freeze(true)
	eventually(t, "loss of a frozen server", func() bool { return downs.Load() >= 2 })
	again.Freeze(false)
	eventually(t, "return of a frozen server", func() bool { return a.MasterUp() && b.MasterUp() })
	eventually(t, "another message", says("two"))
	if a.Err() != nil {
		t.Error(a.Err())
	}
	_ = a.Close()
	if !errors.Is(a.Err(), rosbridge.ErrClosed) || downs.Load() < 2 {
		t.Error(a.Err(), downs.Load())
	}
	select {
	case <-a.Done():
	default:
		t.Error("not done")
	}
}

// TestRefusals: wrong addresses, absent servers and servers that speak something else.
func TestRefusals(t *testing.T) {
	n, _ := names.New("a", "")
	for _, url := range []string{"", "http://127.0.0.1:1", "ws://", "9090"} {
		if _, err := rosbridge.Open(context.Background(), rosbridge.Config{URL: url, Names: n}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
	var un *rosbridge.UnreachableError
	if _, err := rosbridge.Open(context.Background(), rosbridge.Config{URL: "ws://127.0.0.1:1", Names: n}); !errors.As(err,
		&un) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := rosbridge.Open(ctx, rosbridge.Config{URL: "ws://127.0.0.1:1", Names: n, Wait: true}); !errors.As(err,
		&un) {
		t.Error(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	if _, err := rosbridge.Open(context.Background(), rosbridge.Config{
		URL:   "ws" + strings.TrimPrefix(web.URL, "http"),
		Names: n,
	}); !errors.As(err, &un) {
		t.Error(err)
	}
}

// TestNonsenseIsDropped: what is not understood is counted, logged at most once a second and harmless; a message that
// is too long ends the connection, which comes back.
func TestNonsenseIsDropped(t *testing.T) {
	s := startServer(t, "127.0.0.1:0")
	var log syncBuffer
	c := open(t, "a", rosbridge.Config{
		URL: s.URL(), MaxMessage: 4096, MaxPause: 50 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	var got atomic.Int64
	if err := rosbridge.Subscribe(c, "/t", func(*msgs.Bool) { got.Add(1) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "subscription", func() bool { return s.Type("/t") != "" })
	nonsense := []string{
		"", "{", "null", "7", `"x"`, "[]", "{}", `{"op":"publish"}`, `{"op":"publish","topic":"/t"}`,
		`{"op":"publish","topic":"/t","msg":{}}`,
		`{"op":"publish","topic":"/t","msg":{"data":1}}`, `{"op":"publish","topic":"/other","msg":{"data":true}}`,
		`{"op":"fragment","num":0}`,
		`{"op":"service_response","id":"call:x:1"}`, `{"op":"call_service","service":"/none","id":"1"}`, `{"op":7}`,
		strings.Repeat("[", 2000), `{"op":"publish","topic":"/t","msg":{"data":NaN}}`,
	}
	for range 20 {
		for _, text := range nonsense {
			s.Raw([]byte(text))
		}
	}
	s.Raw([]byte(`{"op":"status","level":"warning","msg":"careful"}`))
	s.Raw([]byte(`{"op":"publish","topic":"/t","msg":{"data":true}}`))
	eventually(t, "the good message", func() bool { return got.Load() == 1 })
	if n := c.Dropped(); n != 20*uint64(len(nonsense)) {
		t.Errorf("%d dropped, want %d", n, 20*len(nonsense))
	}
	if n := strings.Count(log.String(), "were dropped"); n < 1 || n > 5 || !strings.Contains(log.String(), "careful") {
		t.Errorf("%d reports\n%s", n, log.String())
	}
	s.Raw(bytes.Repeat([]byte(" "), 5000))
	eventually(t, "the loss after a message that is too long", func() bool {
		return strings.Contains(log.String(), "lost")
	})
	eventually(t, "the return", func() bool {
		s.Raw([]byte(`{"op":"publish","topic":"/t","msg":{"data":true}}`))
		return got.Load() > 1
	})
}

// TestStuckServer: a server that takes nothing does not block Write, and the link counts as lost.
func TestStuckServer(t *testing.T) {
	hold := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err == nil {
			<-hold
			_ = ws.Close()
		}
		wg.Done()
	}))
	lost := make(chan struct{})
	var once sync.Once
	c := open(t, "a", rosbridge.Config{
		URL: "ws" + strings.TrimPrefix(web.URL, "http"), Silence: 300 * time.Millisecond, MaxPause: time.Hour,
		OnUp: func(up bool) {
			if !up {
				once.Do(func() { close(lost) })
			}
		},
	})
	pub, err := rosbridge.Advertise[msgs.String](c, "/t", false)
	if err != nil {
		t.Fatal(err)
	}
	big := &msgs.String{Data: strings.Repeat("x", 100_000)}
	begin, longest := time.Now(), time.Duration(0)
	for time.Since(begin) < 50*time.Millisecond {
		before := time.Now()
		pub.Write(big)
		longest = max(longest, time.Since(before))
	}
	select {
	case <-lost:
	case <-time.After(3 * time.Second):
		t.Error("the link was never lost")
	}
	if longest > 100*time.Millisecond {
		t.Errorf("a write took %v", longest)
	}
	_ = c.Close()
	close(hold)
	web.Close()
	wg.Wait()
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
