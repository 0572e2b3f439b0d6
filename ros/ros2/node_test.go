//go:build ros2 && cgo

package ros2

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"korr/ros/msgs"
	"korr/ros/names"
	"korr/ros/ros2/dds"
	"korr/ros/rosidl"
)

// domains counts the domains taken, from a random one on: two tests in one domain would hear each other.
var domains atomic.Uint32

func init() { domains.Store(rand.Uint32N(100)) }

// somewhere is a domain of a test's own, on this machine alone.
func somewhere() names.ROS2 {
	return names.ROS2{Domain: 100 + int(domains.Add(1)%100), Localhost: true}
}

func open(t *testing.T, where names.ROS2, name string, cfg Config) *Node {
	t.Helper()
	var err error
	if cfg.Names, err = names.NewROS2(name, where); err != nil {
		t.Fatal(err)
	}
	n, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

// TestEveryProfileReachesItsReaders: a message of every profile, and what is latched whoever comes later.
func TestEveryProfileReachesItsReaders(t *testing.T) {
	where := somewhere()
	a, b := open(t, where, "a", Config{}), open(t, where, "b", Config{})
	for _, p := range []Profile{State, Command, Report, Latched, Button, Clock} {
		pub, err := Advertise[msgs.String](a, "~"+p.String(), p)
		if err != nil {
			t.Fatal(err)
		}
		if p == Latched {
			pub.Write(&msgs.String{Data: "x"})
		}
		var got atomic.Uint64
		if err := Subscribe(b, "/a/"+p.String(), p, func(m *msgs.String) {
			if m.Data == "x" {
				got.Add(1)
			}
		}); err != nil {
			t.Fatal(err)
		}
		eventually(t, p.String(), func() bool {
			if p != Latched {
				pub.Write(&msgs.String{Data: "x"})
			}
			return got.Load() > 0
		})
	}
}

// TestServices: calls are answered to whom they came from; where nobody serves the caller is told.
func TestServices(t *testing.T) {
	where := somewhere()
	a, b := open(t, where, "a", Config{}), open(t, where, "b", Config{Timeout: 5 * time.Second})
	if err := Serve[msgs.SetBool](a, "~enable", func(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
		return &msgs.SetBoolRes{Success: q.Data, Message: "said"}, true
	}); err != nil {
		t.Fatal(err)
	}
	c, err := NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](b, "/a/enable")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewClient[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes](b, "/a/enable")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false, true} {
		for _, client := range []*Client[msgs.SetBoolReq, msgs.SetBoolRes]{c, other} {
			if res, err := client.Call(t.Context(), &msgs.SetBoolReq{Data: want}); err != nil || res.Success != want ||
				res.Message != "said" {
				t.Fatalf("%+v, %v", res, err)
			}
		}
	}
	nobody, err := NewClient[msgs.Trigger, msgs.TriggerReq, msgs.TriggerRes](b, "/a/nothing")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := nobody.Call(ctx, &msgs.TriggerReq{}); !errors.Is(err, ErrNoServer) {
		t.Error(err)
	}
}

// TestAnswersWaitForTheirReader: a call that comes before its caller is known to read answers is answered all the same.
func TestAnswersWaitForTheirReader(t *testing.T) {
	where := somewhere()
	a, b := open(t, where, "a", Config{}), open(t, where, "b", Config{})
	if err := Serve[msgs.SetBool](a, "~enable", func(q *msgs.SetBoolReq) (*msgs.SetBoolRes, bool) {
		return &msgs.SetBoolRes{Success: q.Data}, true
	}); err != nil {
		t.Fatal(err)
	}
	kind, err := rosidl.ServiceFor[msgs.SetBool, msgs.SetBoolReq, msgs.SetBoolRes]()
	if err != nil {
		t.Fatal(err)
	}
	var known atomic.Bool
	ask, err := b.part.NewWriter("rq/a/enableRequest", kind.Request.DDS(), service, "", func(s dds.Status) {
		known.Store(s.Matched > 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the service is known", known.Load)
	data, err := caller{7, 1}.append(nil, &msgs.SetBoolReq{Data: true})
	if err := errors.Join(err, ask.Write(data)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // it is being answered
	answers := make(chan caller, 1)
	if _, err := b.part.NewReader("rr/a/enableReply", kind.Response.DDS(), service, "", func(s *dds.Sample) {
		if c, _, err := split(s.Data); err == nil {
			answers <- c
		}
	}, nil); err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-answers:
		if c != (caller{7, 1}) {
			t.Error(c)
		}
	case <-time.After(5 * time.Second):
		t.Error("no answer")
	}
}

// TestActions: goals are taken or rejected, and their results come when they are there.
func TestActions(t *testing.T) {
	where := somewhere()
	a, b := open(t, where, "a", Config{}), open(t, where, "b", Config{})
	var newest atomic.Pointer[string]
	const kind = "franka_msgs/action/Move"
	s, err := NewActionServer[msgs.MoveGoal, msgs.MoveResult, msgs.MoveFeedback](a, "/gripper/move", kind,
		func(id string, g *msgs.MoveGoal) error {
			if g.Width < 0 {
				return errors.New("no such width")
			}
			newest.Store(&id)
			return nil
		}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewActionClient[msgs.MoveGoal, msgs.MoveResult](b, "/gripper/move", kind)
	if err != nil {
		t.Fatal(err)
	}
	do := func(width float64) error {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return c.Do(ctx, func(g *msgs.MoveGoal) { g.Width = width })
	}
	if err := do(0.04); err != nil {
		t.Fatal(err)
	}
	if err := do(-1); !errors.Is(err, ErrRejected) {
		t.Error(err)
	}
	_, result, _, err := kinds[msgs.MoveGoal, msgs.MoveResult](kind)
	if err != nil {
		t.Fatal(err)
	}
	asks, err := newClient[getResultReq, getResultRes[msgs.MoveResult]](b, "/gripper/move/_action/get_result", result)
	if err != nil {
		t.Fatal(err)
	}
	id := s.goals[0].info.GoalId
	answer := make(chan *getResultRes[msgs.MoveResult], 1)
	go func() {
		res, err := asks.Call(t.Context(), &getResultReq{GoalId: id})
		if err != nil {
			t.Error(err)
		}
		answer <- res
	}()
	eventually(t, "a waiting client", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.goals[0].waits) == 1
	})
	s.Finish(*newest.Load(), msgs.GoalSucceeded, func(r *msgs.MoveResult) { r.Success = true })
	if res := <-answer; res == nil || res.Status != msgs.Goal2Succeeded || !res.Result.Success {
		t.Errorf("%+v", res)
	}
}

// TestOthersAreSeen: who publishes is known by name, who listens by number, what does not match by its policy.
func TestOthersAreSeen(t *testing.T) {
	where := somewhere()
	var listeners atomic.Int64
	var policy, lost atomic.Pointer[string]
	me := open(t, where, "me", Config{
		OnListeners: func(_ string, n int) { listeners.Store(int64(n)) },
		OnPolicy: func(topic, p string) {
			if topic == "/strict" {
				policy.Store(&p)
			}
		},
		OnPublisherLost: func(topic string) { lost.Store(&topic) },
	})
	if _, err := Advertise[msgs.PoseStamped](me, "/command", Command); err != nil {
		t.Fatal(err)
	}
	if _, err := Advertise[msgs.Clock](me, "/strict", Clock); err != nil { // best effort
		t.Fatal(err)
	}
	if err := Subscribe(me, "/state", State, func(*msgs.String) {}); err != nil {
		t.Fatal(err)
	}
	var who atomic.Pointer[[]string]
	if err := WatchPublishers(me, "/command", func(nodes []string) { who.Store(&nodes) }); err != nil {
		t.Fatal(err)
	}
	is := func(want ...string) func() bool {
		return func() bool { p := who.Load(); return p != nil && slices.Equal(*p, want) }
	}
	eventually(t, "this node alone", is("/me"))

	other := open(t, where, "other", Config{})
	if err := Subscribe(other, "/command", Command, func(*msgs.PoseStamped) {}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a listener", func() bool { return listeners.Load() == 1 })
	if err := Subscribe(other, "/strict", Command, func(*msgs.Clock) {}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy", func() bool { p := policy.Load(); return p != nil && *p == "reliability" })
	if _, err := Advertise[msgs.PoseStamped](other, "/command", Command); err != nil {
		t.Fatal(err)
	}
	if _, err := Advertise[msgs.String](other, "/state", State); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the other by its name", is("/me", "/other"))
	twin := open(t, where, "me", Config{})
	if _, err := Advertise[msgs.PoseStamped](twin, "/command", Command); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a node of the same name", is("/me", "/me (another of this name)", "/other"))
	_ = twin.Close()
	time.Sleep(50 * time.Millisecond)
	_ = other.Close()
	eventually(t, "nobody else", is("/me"))
	eventually(t, "no listener", func() bool { return listeners.Load() == 0 })
	eventually(t, "a lost publisher", func() bool { p := lost.Load(); return p != nil && *p == "/state" })
}

// TestHumbleIsUnderstood: nodes of Humble and of later distributions know each other by name.
func TestHumbleIsUnderstood(t *testing.T) {
	where := somewhere()
	jazzy := open(t, where, "jazzy", Config{})
	humble := open(t, where, "humble", Config{Humble: true})
	for _, n := range []*Node{jazzy, humble} {
		if _, err := Advertise[msgs.String](n, "/x", Report); err != nil {
			t.Fatal(err)
		}
		var who atomic.Pointer[[]string]
		if err := WatchPublishers(n, "/x", func(nodes []string) { who.Store(&nodes) }); err != nil {
			t.Fatal(err)
		}
		if n == humble {
			eventually(t, "both names", func() bool {
				p := who.Load()
				return p != nil && strings.Join(*p, " ") == "/humble /jazzy"
			})
		}
	}
}

// TestSimTime: the node lives by /clock.
func TestSimTime(t *testing.T) {
	where := somewhere()
	n := open(t, where, "a", Config{SimTime: true})
	pub, err := Advertise[msgs.Clock](open(t, where, "b", Config{}), msgs.ClockTopic, Clock)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the time", func() bool {
		pub.Write(&msgs.Clock{Clock: time.Unix(7, 0)})
		return n.Now().Equal(time.Unix(7, 0))
	})
}
