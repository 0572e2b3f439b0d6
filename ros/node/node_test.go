package node_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"korr/ros/master"
	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/node"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const poll = 20 * time.Millisecond

func startMaster(t *testing.T, addr string) *master.Master {
	t.Helper()
	m, err := master.Start(master.Config{Addr: addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func open(t *testing.T, name, uri string, args ...string) *node.Node {
	t.Helper()
	return openWith(t, node.Config{}, name, uri, args...)
}

func openWith(t *testing.T, cfg node.Config, name, uri string, args ...string) *node.Node {
	t.Helper()
	nm, _, err := names.Parse(name, args, func(k string) string { return map[string]string{"ROS_MASTER_URI": uri}[k] })
	if err != nil {
		t.Fatal(err)
	}
	cfg.Names, cfg.Poll, cfg.Timeout = nm, poll, 2*time.Second
	n, err := node.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// eventually fails unless ok becomes true within three seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestTopicsServicesParameters(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	a, b := open(t, "a", m.URI()), open(t, "b", m.URI(), "command:=/arm/target")

	var got atomic.Pointer[msgs.PoseStamped]
	if err := node.Subscribe(b, "command", got.Store); err != nil {
		t.Fatal(err)
	}
	pub := must[*node.Publisher[msgs.PoseStamped]](t)(node.Advertise[msgs.PoseStamped](a, "/arm/target", false))
	want := msgs.PoseStamped{
		Header: msgs.Header{Seq: 7, Stamp: time.Unix(12, 345).UTC(), FrameId: "base"},
		Pose:   msgs.Pose{Position: msgs.Point{X: 1.0 / 3}, Orientation: msgs.Quaternion{Z: 1e-300, W: -0.1}},
	}
	eventually(t, "a message through a remapped topic", func() bool {
		m := want
		pub.Write(&m)
		return got.Load() != nil
	})
	g := *got.Load()
	g.Header.Stamp = g.Header.Stamp.UTC()
	if !reflect.DeepEqual(g, want) {
		t.Errorf("got %+v, want %+v", g, want)
	}

	latched := must[*node.Publisher[msgs.String]](t)(node.Advertise[msgs.String](a, "~names", true))
	latched.Write(&msgs.String{Data: "top,leg1"})
	var text atomic.Pointer[msgs.String]
	if err := node.Subscribe(b, "/a/names", text.Store); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a latched message", func() bool { return text.Load() != nil && text.Load().Data == "top,leg1" })

	err := node.Serve[msgs.Reset](a, "~reset", func(q *msgs.ResetReq) (*msgs.ResetRes, bool) {
		return &msgs.ResetRes{Success: true, Episode: uint32(q.Seed >> 32)}, q.Seed != 0
	})
	if err != nil {
		t.Fatal(err)
	}
	client := must[*node.Client[msgs.Reset, msgs.ResetReq, msgs.ResetRes]](t)(
		node.NewClient[msgs.Reset, msgs.ResetReq, msgs.ResetRes](b, "/a/reset"))
	for range 3 {
		res, err := client.Call(context.Background(), &msgs.ResetReq{Seed: 5 << 32})
		if err != nil || !res.Success || res.Episode != 5 {
			t.Fatalf("%+v, %v", res, err)
		}
	}
	if _, err := client.Call(context.Background(), &msgs.ResetReq{}); err == nil {
		t.Error("a failing service reported success")
	}

	ctx := context.Background()
	value := map[string]any{"rate": 10, "gain": 0.5, "on": true, "names": []any{"x"}}
	if err := a.SetParam(ctx, "~cfg", value); err != nil {
		t.Fatal(err)
	}
	if v, found, err := b.Param(ctx, "/a/cfg"); err != nil || !found || !reflect.DeepEqual(v, value) {
		t.Errorf("%v %v %v", v, found, err)
	}
	if _, found, err := b.Param(ctx, "/a/none"); err != nil || found {
		t.Errorf("missing parameter: %v %v", found, err)
	}
}

// TestNamesAreAppliedOnce: what goroslib would do with ROS_NAMESPACE and its own remapping must not happen.
func TestNamesAreAppliedOnce(t *testing.T) {
	t.Setenv("ROS_NAMESPACE", "elsewhere")
	m := startMaster(t, "127.0.0.1:0")
	n := open(t, "n", m.URI(), "__ns:=/lab", "/a:=/b", "/b:=/a")
	p := must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](n, "/a", false))
	if p.Topic() != "/b" || n.Names().Node != "/lab/n" {
		t.Errorf("%s publishes on %s", n.Names().Node, p.Topic())
	}
	time.Sleep(3 * poll)
	if !n.MasterUp() || n.Err() != nil {
		t.Errorf("the master does not know the node as /lab/n: up %v, %v", n.MasterUp(), n.Err())
	}
}

func TestNoMaster(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	addr := strings.Trim(strings.TrimPrefix(m.URI(), "http://"), "/")
	_ = m.Close()
	nm, _ := names.New("n", m.URI())
	begin := time.Now()
	_, err := node.Open(context.Background(), node.Config{Names: nm})
	var me *node.MasterError
	if !errors.As(err, &me) || time.Since(begin) > 2*time.Second {
		t.Fatalf("after %v: %v", time.Since(begin), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := node.Open(ctx, node.Config{Names: nm, Wait: true}); !errors.As(err, &me) {
		t.Fatalf("waiting in vain: %v", err)
	}
	opened := make(chan error, 1)
	go func() {
		n, err := node.Open(context.Background(), node.Config{Names: nm, Wait: true})
		if err == nil {
			err = n.Close()
		}
		opened <- err
	}()
	time.Sleep(50 * time.Millisecond)
	startMaster(t, addr)
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the node never found the master")
	}
}

// TestSecondNodeOfOneName: the first node notices that it was replaced, and says so.
func TestSecondNodeOfOneName(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	first := open(t, "twin", m.URI())
	pub := must[*node.Publisher[msgs.Bool]](t)(node.Advertise[msgs.Bool](first, "/x", false))
	second := open(t, "twin", m.URI())
	select {
	case <-first.Done():
	case <-time.After(3 * time.Second):
		t.Fatal("the first node did not notice")
	}
	if !errors.Is(first.Err(), node.ErrReplaced) || first.MasterUp() {
		t.Errorf("error %v, up %v", first.Err(), first.MasterUp())
	}
	pub.Write(&msgs.Bool{}) // must not block
	if err := node.Subscribe(first, "/y", func(*msgs.Bool) {}); !errors.Is(err, node.ErrReplaced) {
		t.Errorf("subscribing on a replaced node: %v", err)
	}
	time.Sleep(3 * poll)
	if second.Err() != nil || !second.MasterUp() {
		t.Errorf("the second node suffered: %v", second.Err())
	}
}

// TestMasterRestart: the node tells that the master is gone, streams go on, and after the restart everything is
// registered again.
func TestMasterRestart(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	addr := strings.Trim(strings.TrimPrefix(m.URI(), "http://"), "/")
	var ups, downs atomic.Int32
	a := openWith(t, node.Config{OnMaster: func(up bool) {
		if up {
			ups.Add(1)
		} else {
			downs.Add(1)
		}
	}}, "a", m.URI())
	b := open(t, "b", m.URI())
	pub := must[*node.Publisher[msgs.String]](t)(node.Advertise[msgs.String](a, "/t", true))
	var got atomic.Pointer[msgs.String]
	if err := node.Subscribe(b, "/t", got.Store); err != nil {
		t.Fatal(err)
	}
	if err := node.Serve[msgs.Trigger](a, "~ping", func(*msgs.TriggerReq) (*msgs.TriggerRes, bool) {
		return &msgs.TriggerRes{Success: true}, true
	}); err != nil {
		t.Fatal(err)
	}
	pub.Write(&msgs.String{Data: "one"})
	eventually(t, "the first message", func() bool { return got.Load() != nil && got.Load().Data == "one" })

	_ = m.Close()
	eventually(t, "loss of the master", func() bool { return !a.MasterUp() && !b.MasterUp() && downs.Load() == 1 })
	pub.Write(&msgs.String{Data: "two"})
	eventually(t, "a message without a master", func() bool { return got.Load().Data == "two" })
	if a.Err() != nil {
		t.Errorf("losing the master ended the node: %v", a.Err())
	}

	again := startMaster(t, addr)
	eventually(t, "registration again", func() bool { return a.MasterUp() && b.MasterUp() && ups.Load() == 1 })
	c := open(t, "c", again.URI())
	var late atomic.Pointer[msgs.String]
	if err := node.Subscribe(c, "/t", late.Store); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a latched message after the restart", func() bool {
		return late.Load() != nil && late.Load().Data == "two"
	})
	ping, err := node.NewClient[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](c, "/a/ping")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ping.Call(context.Background(), &msgs.TriggerReq{}); err != nil {
		t.Error(err)
	}
	eventually(t, "the old subscriber hears again", func() bool {
		pub.Write(&msgs.String{Data: "three"})
		return got.Load().Data == "three"
	})
}

func TestBadNames(t *testing.T) {
	m := startMaster(t, "127.0.0.1:0")
	n := open(t, "n", m.URI())
	if _, err := node.Advertise[msgs.Bool](n, "a b", false); !errors.Is(err, names.ErrName) {
		t.Error(err)
	}
	if err := node.Subscribe(n, "", func(*msgs.Bool) {}); !errors.Is(err, names.ErrName) {
		t.Error(err)
	}
	if err := node.Subscribe(n, "/t", func(*msgs.Bool) {}); err != nil {
		t.Error(err)
	}
	if err := node.Subscribe(n, "/t", func(*msgs.Bool) {}); err == nil {
		t.Error("one node subscribed twice to one topic")
	}
}

// BenchmarkRoundTrip is the time of a 450-byte message to another node and back, over loopback.
func BenchmarkRoundTrip(b *testing.B) {
	m, err := master.Start(master.Config{Addr: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	ctx := context.Background()
	nm1, _ := names.New("ping", m.URI())
	nm2, _ := names.New("pong", m.URI())
	n1, err1 := node.Open(ctx, node.Config{Names: nm1})
	n2, err2 := node.Open(ctx, node.Config{Names: nm2})
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	defer n1.Close()
	defer n2.Close()
	out, _ := node.Advertise[msgs.PoseArray](n1, "/out", false)
	back, _ := node.Advertise[msgs.PoseArray](n2, "/back", false)
	_ = node.Subscribe(n2, "/out", back.Write)
	got := make(chan struct{}, 1)
	_ = node.Subscribe(n1, "/back", func(*msgs.PoseArray) {
		select {
		case got <- struct{}{}:
		default:
		}
	})
	trip := func(d time.Duration) bool {
		out.Write(&msgs.PoseArray{Header: msgs.Header{FrameId: "tag"}, Poses: make([]msgs.Pose, 8)})
		select {
		case <-got:
			return true
		case <-time.After(d):
			return false
		}
	}
	for !trip(100 * time.Millisecond) { // until both are connected
	}
	b.ResetTimer()
	var times []time.Duration
	for b.Loop() {
		begin := time.Now()
		if !trip(time.Second) {
			b.Fatal("lost")
		}
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
}
