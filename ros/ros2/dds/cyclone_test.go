//go:build ros2 && cgo

package dds

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// domains counts the domains taken, from a random one on: two tests in one domain would hear each other.
var domains atomic.Uint32

func init() { domains.Store(rand.Uint32N(100)) }

// testDomain is one that nobody else on the machine is likely to use; loopback alone.
func testConfig() Config { return Config{Domain: 100 + int(domains.Add(1)%100), Localhost: true} }

func open(t *testing.T, cfg Config) *Participant {
	t.Helper()
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

const (
	name = "rt/x"
	kind = "std_msgs::msg::dds_::String_"
)

// TestSamplesCross: every sample comes once, in order, with its sender, however large.
func TestSamplesCross(t *testing.T) {
	cfg := testConfig()
	a, b := open(t, cfg), open(t, cfg)
	qos := QoS{Reliable: true, KeepAll: true}
	var matched atomic.Int64
	w, err := a.NewWriter(name, kind, qos, "typehash=RIHS01_0;", func(s Status) { matched.Store(int64(s.Matched)) })
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []byte, 100)
	senders := make(chan GUID, 100)
	if _, err := b.NewReader(name, kind, qos, "", func(s *Sample) {
		got <- bytes.Clone(s.Data)
		senders <- s.Sender
	}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a match", func() bool { return matched.Load() == 1 })
	for i, size := range []int{5, 8, 1000, 70_000, 3_000_000} {
		data := bytes.Repeat([]byte{byte(i + 1)}, size)
		copy(data, []byte{0, 1, 0, 0})
		if err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		select {
		case back := <-got:
			if !bytes.Equal(back, data) || <-senders != w.GUID() {
				t.Errorf("%d bytes came as %d", size, len(back))
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d bytes did not come", size)
		}
	}
}

// TestLateJoinersGetWhatIsKept: as deep as asked for, and nothing from a volatile writer.
func TestLateJoinersGetWhatIsKept(t *testing.T) {
	cfg := testConfig()
	p := open(t, cfg)
	w, err := p.NewWriter(name, kind, QoS{Reliable: true, TransientLocal: true, Depth: 3}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := w.Write([]byte{0, 1, 0, 0, byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan byte, 10)
	if _, err := open(t, cfg).NewReader(name, kind, QoS{Reliable: true, TransientLocal: true, Depth: 10}, "",
		func(s *Sample) { got <- s.Data[4] }, nil); err != nil {
		t.Fatal(err)
	}
	for want := byte(2); want < 5; want++ {
		select {
		case v := <-got:
			if v != want {
				t.Errorf("got %d, want %d", v, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d did not come", want)
		}
	}
}

// TestStatusTellsWhatIsWrong: a policy that does not match is named, a late writer misses its deadline, a writer that
// is gone is told of.
func TestStatusTellsWhatIsWrong(t *testing.T) {
	cfg := testConfig()
	a, b := open(t, cfg), open(t, cfg)
	w, err := a.NewWriter(name, kind, QoS{Deadline: 50 * time.Millisecond}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	var strict, loose atomic.Pointer[Status]
	store := func(to *atomic.Pointer[Status]) func(Status) { return func(s Status) { to.Store(&s) } }
	nothing := func(*Sample) {}
	if _, err := b.NewReader(name, kind, QoS{Reliable: true}, "", nothing, store(&strict)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.NewReader(name, kind, QoS{Deadline: 50 * time.Millisecond}, "", nothing, store(&loose)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy's name", func() bool {
		s := strict.Load()
		return s != nil && s.Incompatible == "reliability" && s.Matched == 0
	})
	eventually(t, "a match", func() bool { s := loose.Load(); return s != nil && s.Matched == 1 && s.Alive == 1 })
	if err := w.Write([]byte{0, 1, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a missed deadline", func() bool { return loose.Load().Deadlines > 0 })
	w.Close()
	eventually(t, "nobody matched", func() bool { return loose.Load().Matched == 0 })
}

// TestGraphShowsEverybody: endpoints with their names, types and users' data, until they are gone.
func TestGraphShowsEverybody(t *testing.T) {
	cfg := testConfig()
	a, b := open(t, cfg), open(t, cfg)
	seen := make(chan Endpoint, 100)
	if err := a.WatchGraph(func(e Endpoint) { seen <- e }); err != nil {
		t.Fatal(err)
	}
	w, err := b.NewWriter(name, kind, QoS{Reliable: true}, "typehash=x;", nil)
	if err != nil {
		t.Fatal(err)
	}
	wait := func(what string, f func(Endpoint) bool) {
		t.Helper()
		for {
			select {
			case e := <-seen:
				if f(e) {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatal("in vain: ", what)
			}
		}
	}
	wait("the writer", func(e Endpoint) bool {
		return e.GUID == w.GUID() && e.Writer && e.Topic == name && e.Type == kind && e.UserData == "typehash=x;" &&
			e.QoS.Reliable && e.Participant == b.GUID()
	})
	w.Close()
	wait("its end", func(e Endpoint) bool { return e.GUID == w.GUID() && e.Gone })
}

// TestClosed: nothing works after Close, and nothing crashes.
func TestClosed(t *testing.T) {
	p := open(t, testConfig())
	w, err := p.NewWriter(name, kind, QoS{}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for w.Write([]byte{0, 1, 0, 0, 0}) == nil {
		}
	}()
	time.Sleep(20 * time.Millisecond)
	_ = p.Close()
	<-done
	if err := w.Write([]byte{0, 1, 0, 0, 0}); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := p.NewReader(name, kind, QoS{}, "", func(*Sample) {}, nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	w.Close()
	_ = p.Close()
}

// TestBadConfigurations are refused before anything starts.
func TestBadConfigurations(t *testing.T) {
	for _, cfg := range []Config{{Domain: 233}, {Domain: -1}, {Domain: 99, Peers: []string{`"/><x`}}} {
		if _, err := Open(cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
